package capture

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"inquest/analyze/evidence"
	"inquest/recorder/manifest"
)

// Source is one kind of evidence that a net/http/pprof server can give.
type Source struct {
	ID     string // as --only and --skip name it
	Kind   evidence.Kind
	Cost   string // what taking it costs the program
	From   string // where that is known from
	path   string // below /debug/pprof/
	query  string
	listed bool // an index page that does not list it means that it is not there
}

// Sources lists every kind of evidence that can be captured from a server.
var Sources = []Source{
	{ID: "cpu", Kind: evidence.CPU, path: "profile",
		Cost: "100 signals for each second of processor time used, about 1 % of it",
		From: "runtime/pprof/pprof.go, StartCPUProfile"},
	{ID: "trace", Kind: evidence.Trace, path: "trace",
		Cost: "1 to 2 % of processor time in ordinary services, more where goroutines switch all the time, and up to 100 MB each second; stops the world to begin",
		From: "go.dev/blog/execution-traces-2024; runtime/trace.go, StartTrace"},
	{ID: "heap", Kind: evidence.Heap, path: "heap", listed: true,
		Cost: "copies counters; no collection unless asked for, no stop of the world",
		From: "runtime/pprof/pprof.go, writeHeapInternal"},
	{ID: "allocs", Kind: evidence.Heap, path: "allocs", listed: true,
		Cost: "copies counters twice and subtracts them in the program",
		From: "net/http/pprof/pprof.go, serveDeltaProfile"},
	{ID: "mutex", Kind: evidence.Mutex, path: "mutex", listed: true,
		Cost: "copies counters twice; what recording them costs the program pays anyway",
		From: "net/http/pprof/pprof.go, serveDeltaProfile"},
	{ID: "block", Kind: evidence.Block, path: "block", listed: true,
		Cost: "copies counters twice; what recording them costs the program pays anyway",
		From: "net/http/pprof/pprof.go, serveDeltaProfile"},
	{ID: "goroutine", Kind: evidence.Goroutine, path: "goroutine", listed: true,
		Cost: "stops the world twice, briefly; stacks are copied while the program runs",
		From: "runtime/mprof.go, goroutineProfileWithLabelsConcurrent"},
	{ID: "dump", Kind: evidence.Dump, path: "goroutine", query: "debug=2", listed: true,
		Cost: "stops the world while every stack is printed, and again with twice the buffer until all fit: 6 ms with 1,000 goroutines, 0.3 s with 10,000, 4 s with 100,000",
		From: "runtime/pprof/pprof.go, writeGoroutineStacks; measured, docs/capture.md"},
	{ID: "threadcreate", Kind: evidence.ThreadCreate, path: "threadcreate", listed: true,
		Cost: "copies a list", From: "runtime/pprof/pprof.go, writeThreadCreate"},
	{ID: "goroutineleak", Kind: evidence.GoroutineLeak, path: "goroutineleak", listed: true,
		Cost: "runs a whole collection, with leak detection",
		From: "runtime/pprof/pprof.go, writeGoroutineLeak"},
}

func source(id string) Source {
	return Sources[slices.IndexFunc(Sources, func(s Source) bool { return s.ID == id })]
}

// step is one request of a capture.
type step struct {
	Source
	file  string
	lasts time.Duration // how long the program records before it answers whole
	query string
	param bool // lasts is sent as seconds=
}

func (s *step) request() string {
	var q []string
	if s.query != "" {
		q = append(q, s.query)
	}
	if s.param {
		q = append(q, fmt.Sprintf("seconds=%d", int(s.lasts/time.Second)))
	}
	if len(q) == 0 {
		return s.path
	}
	return s.path + "?" + strings.Join(q, "&")
}

// Plan is what a capture will ask for: stages one after the other, the requests of
// one stage at the same time.
type Plan struct {
	stages [][]*step
	left   []manifest.File // what will not be asked for, and why
}

// Lasts is how long the recording itself takes.
func (p *Plan) Lasts() time.Duration {
	var sum time.Duration
	for _, stage := range p.stages {
		var longest time.Duration
		for _, s := range stage {
			longest = max(longest, s.lasts)
		}
		sum += longest
	}
	return sum
}

// Empty reports whether nothing would be asked for.
func (p *Plan) Empty() bool { return len(p.stages) == 0 }

// Costs says for each source of the plan what it costs the program, one line each.
func (p *Plan) Costs() []string {
	var out []string
	for _, src := range Sources {
		n, lasts := 0, time.Duration(0)
		for _, stage := range p.stages {
			for _, s := range stage {
				if s.ID == src.ID {
					n, lasts = n+1, s.lasts
				}
			}
		}
		if n == 0 {
			continue
		}
		how := ""
		if lasts > 0 {
			how = fmt.Sprintf(" for %v", lasts)
		} else if n > 1 {
			how = fmt.Sprintf(", %d times", n)
		}
		out = append(out, fmt.Sprintf("%s%s: %s (%s)", src.ID, how, src.Cost, src.From))
	}
	return out
}

// Left lists what will not be asked for although it was wanted, one line each.
func (p *Plan) Left() []string {
	var out []string
	for _, f := range p.left {
		out = append(out, f.Name+": "+f.Why)
	}
	return out
}

// wants reports whether the options ask for a source.
func (s *Server) wants(id string) bool {
	if len(s.opt.Only) > 0 && !slices.Contains(s.opt.Only, id) {
		return false
	}
	// Two heap profiles hold what an allocs profile holds, and more.
	if id == "allocs" && len(s.opt.Only) == 0 && !slices.Contains(s.opt.Skip, "heap") {
		return false
	}
	return !slices.Contains(s.opt.Skip, id)
}

// Plan decides what to ask the server for, and in which order. Dumps frame the
// recordings. CPU profile and trace run apart: samples interrupt the program for longer than most of what a
// trace times. What runs a collection comes last.
func (s *Server) Plan() *Plan {
	p := &Plan{}
	// ask returns the step for a source, or nil with the reason noted.
	ask := func(id, file string, lasts time.Duration) *step {
		if !s.wants(id) {
			return nil
		}
		src := source(id)
		st := &step{Source: src, file: file, query: src.query, lasts: lasts, param: lasts > 0}
		if id == "heap" && s.opt.GC {
			st.query = "gc=1"
		}
		leave := func(r manifest.Result, why string) *step {
			p.left = append(p.left, manifest.File{Name: file, Request: st.request(), Result: r, Why: why})
			return nil
		}
		if s.offers != nil && src.listed && !s.offers[src.path] {
			why := "the server does not list it"
			if id == "goroutineleak" {
				why += "; Go 1.27 does, and Go 1.26 built with GOEXPERIMENT=goroutineleakprofile"
			}
			return leave(evidence.Absent, why)
		}
		if id == "dump" && s.Goroutines > s.opt.MaxGoroutines {
			return leave(evidence.Skipped, fmt.Sprintf("the program has %d goroutines, and a dump of so many would stop it for long; --max-goroutines %d takes it all the same", s.Goroutines, s.Goroutines))
		}
		return st
	}
	stage := func(steps ...*step) {
		steps = slices.DeleteFunc(steps, func(s *step) bool { return s == nil })
		if len(steps) > 0 {
			p.stages = append(p.stages, steps)
		}
	}

	stage(ask("heap", "heap-1.pb.gz", 0))
	stage(ask("dump", "dump-1.txt", 0))
	recording := []*step{
		ask("cpu", "cpu.pb.gz", s.opt.Lasts),
		ask("mutex", "mutex.pb.gz", s.opt.Lasts),
		ask("block", "block.pb.gz", s.opt.Lasts),
		ask("allocs", "allocs.pb.gz", s.opt.Lasts),
	}
	trace := ask("trace", "trace.out", s.opt.TraceLasts)
	if s.opt.Together {
		stage(append(recording, trace)...)
		stage(ask("dump", "dump-2.txt", 0))
	} else {
		stage(recording...)
		stage(ask("dump", "dump-2.txt", 0))
		stage(trace)
	}
	stage(ask("heap", "heap-2.pb.gz", 0))
	stage(ask("goroutine", "goroutine.pb.gz", 0))
	stage(ask("dump", "dump-3.txt", 0))
	stage(ask("threadcreate", "threadcreate.pb.gz", 0))
	stage(ask("goroutineleak", "goroutineleak.pb.gz", 0))
	return p
}
