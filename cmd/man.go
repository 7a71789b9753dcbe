package cmd

import (
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func manCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write the manual pages into a folder",
		Example: "  inquest man /usr/local/share/man/man1",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return failed("", "%v", pathError(args[0], err))
			}
			// Pages name no day, so that the same version gives the same bytes.
			c.Root().DisableAutoGenTag = true
			header := &doc.GenManHeader{Section: "1", Source: "inquest " + Version, Manual: "inquest", Date: &time.Time{}}
			if err := doc.GenManTree(c.Root(), header, args[0]); err != nil {
				return failed("", "%v", pathError(args[0], err))
			}
			return nil
		},
	}
}
