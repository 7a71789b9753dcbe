package evidence

import (
	"slices"
	"time"

	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
)

// trace measures an execution trace.
func (o *opener) trace(it *item, e *Exhibit, c *source) []*Exhibit {
	e.Kind = Trace
	var last [2]int64 // bytes and events told so far
	opt := exectrace.Options{
		Jobs:    o.opt.Jobs,
		Memory:  o.opt.Memory,
		Account: it.account,
		Task:    o.opt.Focus.Task,
		Progress: func(done, _, events int64) {
			o.advance(done-last[0], 0, events-last[1])
			last = [2]int64{done, events}
		},
	}
	if o.opt.Focus.timed() {
		opt.Window = func(start time.Time) (from, to time.Duration) { return o.opt.Focus.window(start, o.base) }
	}
	tl, err := exectrace.Read(o.ctx, c, c.size, opt)
	if err == nil && opt.Task != "" && tl.InFocus == 0 && slices.ContainsFunc(tl.Tasks, func(t exectrace.Task) bool { return t.Name == opt.Task }) {
		it.account.Close()
		opt.Task = "" // nobody says which goroutine works for such a task, so none can be left out
		tl, err = exectrace.Read(o.ctx, c, c.size, opt)
	}
	o.advance(-last[0], 0, 0) // measure counts the whole file when it is done
	if err != nil {
		e.problem("execution trace: %v", err)
		return it.none(e)
	}
	e.Content = tl
	e.CapturedAt, e.Duration, e.GoVersion = tl.Start, tl.Duration, traceVersion(tl)
	if tl.Narrowed.Outside {
		e.Duration = tl.Narrowed.Of
	}
	if r := tl.Reading; r.Problem != "" || r.Truncated || r.Read < r.Generations {
		e.Coverage = Partial
		if r.Problem != "" {
			e.problem("%s", r.Problem)
		}
		if r.Generations > 0 {
			e.problem("read %d of %d generations to the end, %s in all", r.Read, r.Generations, extent(tl.Duration, r))
		}
	}
	e.misnamed()
	return []*Exhibit{e}
}

// firstTrace returns when the first trace among the files begins, as far as that can be
// told before they are measured, if there are several and the focus counts from it.
func (o *opener) firstTrace() (first time.Time) {
	f := o.opt.Focus
	if !f.timed() || !f.From.Wall.IsZero() || !f.To.Wall.IsZero() {
		return first
	}
	traces := 0
	for _, it := range o.items {
		if it.location == "" || it.location == "-" || it.failed != nil {
			continue
		}
		f, info, err := openFile(it.location)
		if err != nil {
			continue
		}
		if !info.Mode().IsRegular() {
			_ = f.Close()
			continue
		}
		c := &source{ReaderAt: f, size: info.Size(), done: f.Close}
		if exectrace.Sniff(c.head(headSize)) {
			traces++
			if at := exectrace.Begin(o.ctx, c, c.size); !at.IsZero() && (first.IsZero() || at.Before(first)) {
				first = at
			}
		}
		c.close()
	}
	if traces < 2 {
		return time.Time{}
	}
	return first
}

// extent says how much time of a trace was read, of how much.
func extent(d time.Duration, r exectrace.Reading) prose.Text {
	read, whole := Duration(max(0, d-r.Inside)), Duration(max(0, d-r.Inside)+r.Lost)
	switch {
	case r.Lost == 0:
		return read.Text()
	case read.String() == whole.String():
		return prose.Textf("%s, all but about %s", read, Duration(r.Lost))
	}
	return prose.Textf("%s of about %s", read, whole)
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
