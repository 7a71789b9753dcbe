package cmd

import (
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"inquest/analyze/claim"
	"inquest/analyze/detect"
)

func explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [DETECTOR]",
		Short: "Tell what a detector claims, how it is measured, and where its limits come from",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			out := c.OutOrStdout()
			if len(args) == 0 {
				w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
				for _, d := range detect.All {
					fmt.Fprintf(w, "%s\t%s\n", d.ID, d.Title)
				}
				fmt.Fprintln(w, "impact\tHow severity follows from what a fault takes, for all detectors")
				return w.Flush()
			}
			if args[0] == "impact" {
				fmt.Fprint(out, claim.ImpactMarkdown())
				return nil
			}
			i := slices.IndexFunc(detect.All, func(d *claim.Detector) bool { return d.ID == args[0] })
			if i < 0 {
				return failed(meant(args[0], append(detectorIDs(), "impact"), "inquest explain lists the detectors"), "no detector %q", args[0])
			}
			fmt.Fprint(out, detect.All[i].Markdown())
			return nil
		},
	}
}
