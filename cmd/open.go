package cmd

import (
	"github.com/spf13/cobra"

	"inquest/analyze/evidence"
)

// open reads the evidence and says on stderr what was wrong with it. It fails
// only when nothing at all can be used.
func open(c *cobra.Command, paths []string, jobs int, quiet bool) (*evidence.Bundle, error) {
	bundle, err := evidence.Open(c.Context(), paths, evidence.Options{Jobs: jobs, Stdin: c.InOrStdin()})
	if err != nil {
		return nil, failed("", "%v", err)
	}
	usable := 0
	for _, e := range bundle.Exhibits {
		if e.Coverage != evidence.None {
			usable++
		}
		for _, p := range e.Problems {
			if !quiet || e.Coverage == evidence.None {
				complain(c.ErrOrStderr(), p)
			}
		}
	}
	if usable == 0 {
		return nil, failed("inquest reads pprof profiles, execution traces and goroutine dumps; record some from http://HOST:PORT/debug/pprof/",
			"no usable evidence in %s", bundle.Title)
	}
	return bundle, nil
}
