package evidence

import (
	"fmt"
	"time"

	"inquest/analyze/evidence/exectrace"
	"inquest/analyze/evidence/stack"
)

// trace measures an execution trace.
func (o *opener) trace(it *item, e *Exhibit, c *content) []*Exhibit {
	e.Kind = Trace
	var last [2]int64 // bytes and events told so far
	tl, err := exectrace.Read(o.ctx, c, c.size, exectrace.Options{
		Jobs: o.opt.Jobs,
		Progress: func(done, _, events int64) {
			o.advance(done-last[0], 0, events-last[1])
			last = [2]int64{done, events}
		},
	})
	o.advance(-last[0], 0, 0) // measure counts the whole file when it is done
	if err != nil {
		e.problem("execution trace: %v", err)
		return it.none(e)
	}
	e.Trace = tl
	e.CapturedAt, e.Duration, e.GoVersion = tl.Start, tl.Duration, traceVersion(tl)
	if r := tl.Reading; r.Problem != "" || r.Truncated || r.Read < r.Generations {
		e.Coverage = Partial
		if r.Problem != "" {
			e.problem("%s", r.Problem)
		}
		if r.Generations > 0 {
			e.problem("read %d of %d generations, %s", r.Read, r.Generations, extent(tl.Duration, r))
		}
	}
	e.misnamed()
	return []*Exhibit{e}
}

// extent says how much time of a trace was read, of how much.
func extent(d time.Duration, r exectrace.Reading) string {
	read, whole := Duration(max(0, d-r.Inside)), Duration(max(0, d-r.Inside)+r.Lost)
	switch {
	case r.Lost == 0:
		return read.String()
	case read.String() == whole.String():
		return fmt.Sprintf("%s, all but about %s", read, Duration(r.Lost))
	}
	return fmt.Sprintf("%s of about %s", read, whole)
}

// traceVersion returns the Go that wrote a trace. The header names the format,
// which some releases share: Go 1.24 writes that of 1.23, and 1.27 that of 1.26
// (internal/trace/version). For those the release is told by file names, or not at all.
func traceVersion(tl *exectrace.Timeline) string {
	for _, w := range tl.Waits[:min(len(tl.Waits), 200)] {
		for _, f := range w.Stack {
			if v := stack.GoVersion(f.File); v != "" {
				return v
			}
		}
	}
	switch tl.Version {
	case "go1.22", "go1.25":
		return tl.Version
	}
	return ""
}
