package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"inquest/analyze/evidence"
	"inquest/report"
)

func verifyCommand() *cobra.Command {
	var quiet bool
	var jobs int
	c := &cobra.Command{
		Use:   "verify REPORT.json PATH...",
		Short: "Check that the evidence is still the bytes a report was made from",
		Long: `Check that the evidence is still the bytes a report was made from.

PATH is what the report was made from: files, folders, archives, or - for standard input.
Each exhibit is ok, changed or missing; a file that was renamed is known by its bytes, and so
is every file of a redacted report. Files that the report does not name are listed as extra.

It exits 0 when every exhibit is ok, 1 when one is changed or missing, and 2 when something
could not be read. Extra files do not fail it.`,
		Example: `  inquest verify report.json ./incident`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 2 {
				return failed("inquest verify REPORT.json PATH...", "verify wants a saved report, and the evidence it was made from")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			r, err := readReport(args[0])
			if err != nil {
				return err
			}
			files, unreadable, err := evidence.Hash(c.Context(), args[1:], evidence.Options{Jobs: jobs, Stdin: c.InOrStdin()})
			if err != nil {
				return failed("", "%v", err)
			}
			if len(unreadable) > 0 {
				return failed("", "%s: cannot be read", strings.Join(unreadable, ", "))
			}
			return verify(c, r, files, quiet)
		},
	}
	c.Flags().BoolVarP(&quiet, "quiet", "q", false, "list only what is not ok")
	c.Flags().IntVarP(&jobs, "jobs", "j", 0, "how many files to read at once (0: one)")
	return c
}

func verify(c *cobra.Command, r *report.Report, files []evidence.File, quiet bool) error {
	out := c.OutOrStdout()
	count := map[string]int{}
	for _, v := range report.Verify(r, files) {
		count[v.Result]++
		if quiet && v.Result == report.Intact {
			continue
		}
		line := fmt.Sprintf("%-10s  %s", v.Result, v.Path)
		switch {
		case v.Result == report.Intact && v.Found != "":
			line += "  found as " + v.Found
		case v.Result == report.Changed:
			line += fmt.Sprintf("  sha256 was %s, is %s", v.SHA256, v.Found)
		case v.Result == report.Lost && r.Redacted != nil:
			line += "  no file has the bytes with sha256 " + v.SHA256
		case v.Result == report.Lost:
			line += "  sha256 was " + v.SHA256
		case v.Result == report.Unhashed:
			line += "  it could not be read when the report was made"
		case v.Result == report.Extra:
			line += "  not in the report"
		case v.Result == report.Unreadable:
			line += "  " + v.Why
		}
		fmt.Fprintln(out, report.Clean(line))
	}
	var said []string
	for _, result := range []string{report.Intact, report.Changed, report.Lost, report.Unhashed, report.Unreadable, report.Extra} {
		if count[result] > 0 {
			said = append(said, fmt.Sprintf("%d %s", count[result], result))
		}
	}
	if !quiet {
		fmt.Fprintln(out, strings.Join(said, ", "))
	}
	switch {
	case count[report.Unreadable] > 0:
		return exit{code: exitFailed, msg: "some evidence could not be read"}
	case count[report.Changed]+count[report.Lost] > 0:
		return exit{code: exitFindings, msg: "the evidence is not what the report was made from"}
	case count[report.Intact] == 0:
		return exit{code: exitFailed, msg: "the report holds no hash to check"}
	}
	return nil
}
