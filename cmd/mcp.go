package cmd

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"inquest/internal/mcp"
)

func mcpCommand() *cobra.Command {
	opt := mcp.Options{Version: Version, Run: func(ctx context.Context, args []string, stdout, stderr io.Writer, progress func(done, total int64)) int {
		if progress != nil {
			ctx = context.WithValue(ctx, progressKey{}, progress)
		}
		return execute(ctx, args, strings.NewReader(""), stdout, stderr) // standard input is the protocol's
	}}
	c := &cobra.Command{
		Use:   "mcp",
		Short: "Answer a language model's client over the Model Context Protocol, on standard input and output",
		Long: `Answer a language model's client over the Model Context Protocol, on standard input and output.

The client gets the tools analyze, account, inspect, explain, diff and evidence (which looks into one
exhibit: stacks of a profile, goroutines of a dump, a window of a trace, lines of a log). They
read what lies in a --root, symbolic links followed, and nothing else, and write nothing.
With --allow-capture there is a tool that records a running program into the first root.`,
		Example: `  inquest mcp --root ./incidents
  claude mcp add inquest -- inquest mcp --root /var/incidents`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := mcp.Serve(c.Context(), c.InOrStdin(), raw(c.OutOrStdout()), opt); err != nil {
				return failed("", "%v", err)
			}
			return nil
		},
	}
	c.Flags().StringArrayVar(&opt.Roots, "root", []string{"."}, "a `DIR` that paths must lie in (repeatable)")
	c.Flags().BoolVar(&opt.AllowCapture, "allow-capture", false, "offer the tool that records a running program, which costs that program what capture --dry-run says")
	return c
}
