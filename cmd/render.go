package cmd

import (
	"github.com/spf13/cobra"

	"inquest/report"
)

func renderCommand() *cobra.Command {
	var o output
	c := &cobra.Command{
		Use:   "render REPORT.json",
		Short: "Show a saved report in another format",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return failed("a report is saved with inquest analyze PATH -o REPORT.json", "render wants one saved report")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.check(c.Context()); err != nil {
				return err
			}
			r, err := readReport(c, args[0])
			if err != nil {
				return err
			}
			return o.write(c, r)
		},
	}
	o.register(c)
	return c
}

func readReport(c *cobra.Command, path string) (*report.Report, error) {
	f, err := openInput(c.Context(), path)
	if err != nil {
		return nil, failed("", "%v", err)
	}
	defer f.Close()
	r, err := report.Read(f)
	if err != nil {
		return nil, failed("a report is saved with inquest analyze PATH -o REPORT.json", "%s: %v", path, err)
	}
	return r, nil
}
