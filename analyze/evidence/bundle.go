// Package evidence opens what an incident left behind. It tells kinds apart by
// content, hashes every file, measures each with the reader of its kind, and
// hands back a Bundle. It never judges what it has measured.
package evidence

import (
	"time"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/content"
	"inquest/internal/evidence/prose"
)

// Kind is a kind of evidence. The values are part of the JSON contract.
type Kind string

// The kinds of evidence inquest reads.
const (
	CPU           Kind = "cpu"           // pprof CPU profile
	Heap          Kind = "heap"          // pprof heap or allocs profile
	Mutex         Kind = "mutex"         // pprof mutex profile: stacks of the holders
	Block         Kind = "block"         // pprof block profile: stacks of the waiters
	Goroutine     Kind = "goroutine"     // pprof goroutine profile (counts per stack, no wait reason)
	GoroutineLeak Kind = "goroutineleak" // pprof goroutine leak profile
	ThreadCreate  Kind = "threadcreate"  // pprof thread creation profile
	Trace         Kind = "trace"         // execution trace
	Dump          Kind = "dump"          // goroutine dump: debug=2, SIGQUIT or crash output
	Crash         Kind = "crash"         // panics and fatal errors in a log, with the stack of what failed
	Race          Kind = "race"          // reports of the race detector in a log
	GCTrace       Kind = "gctrace"       // gctrace lines of one process in a log
	SchedTrace    Kind = "schedtrace"    // schedtrace lines of one process in a log
	Folded        Kind = "folded"        // stacks counted by a tracer of the operating system
	Provenance    Kind = "manifest"      // how a capture was taken; its Coverage is None, as it says nothing of the program
	Unknown       Kind = "unknown"       // not recognised, or not readable
)

// Coverage says how much of a file was understood.
type Coverage string

// The degrees of coverage.
const (
	Whole   Coverage = "whole"   // read to its end, nothing skipped
	Partial Coverage = "partial" // something was cut off, damaged or skipped; Problems says what
	None    Coverage = "none"    // nothing could be used
)

// Exhibit is one piece of evidence: one kind, in one file. A file that holds
// two kinds, such as a log with two goroutine dumps, gives several exhibits with one hash.
type Exhibit struct {
	ID       string     // "e1", "e2", ... in the order of Bundle.Exhibits
	Path     string     // relative to what the user named, slash-separated; archive members as archive.zip!member
	Part     prose.Text // where in the file, such as "lines 12-480"; empty for the whole file
	SHA256   string     // hex digest of the whole file as found on disk or in the archive
	Bytes    int64      // size of that file
	Kind     Kind       //
	Coverage Coverage   //

	Followed bool // found behind a symbolic link that leaves the folder the user named
	Plain    bool // a log or another text that was read and holds nothing that is evidence: no process died in it

	CapturedAt time.Time     // wall clock of the evidence itself; zero when it carries none. A trace or CPU profile: its start.
	Duration   time.Duration // wall time it covers; 0 for a snapshot or when unknown
	BuildID    string        // of the main binary; empty when the kind carries none
	GoVersion  string        // such as "go1.26"; empty when unknown
	Problems   []prose.Text  // what was wrong with it, one sentence each, the path first
	Apart      prose.Text    // why it denies nothing: a focus left out what may show it; empty when it can

	whys  []prose.Text // Problems without the path
	guess prose.Text   // the problem that says that its name alone told the kind, which a manifest settles; empty else

	// Content is what the reader of the kind measured; nil exactly when Coverage is None.
	Content content.Content
}

// Bundle is all the evidence of one case, read, hashed and measured.
type Bundle struct {
	Title    string     // what the user named, without directories above it
	Exhibits []*Exhibit // by kind in the order of Kinds, then by capture time, then by path
	// Unreadable lists the paths the user named that do not exist or could not be
	// opened, as given. Each is an exhibit too, with the reason.
	Unreadable []string
	PassedOver []PassedOver // what folders and archives hold beside evidence, by reason
	Captures   []Capture    // manifests that lay beside the evidence, in the order they were found

	// Short says that not everything fitted into the memory budget.
	Short bool

	accounts []*bound.Account
}

// Free gives back what the bundle holds of its budget. It is of no use afterwards.
func (b *Bundle) Free() {
	for _, a := range b.accounts {
		a.Close()
	}
	b.Exhibits, b.accounts = nil, nil
}

// Of returns the usable exhibits of a kind, oldest first.
func (b *Bundle) Of(k Kind) []*Exhibit {
	var out []*Exhibit
	for _, e := range b.Exhibits {
		if e.Kind == k && e.Coverage != None {
			out = append(out, e)
		}
	}
	return out
}

// Exhibit returns the exhibit with an id, or nil.
func (b *Bundle) Exhibit(id string) *Exhibit {
	for _, e := range b.Exhibits {
		if e.ID == id {
			return e
		}
	}
	return nil
}

// GOMAXPROCS returns the number of processors the case ran with, as the traces
// report it or else gctrace and schedtrace, or 0 when no evidence says.
func (b *Bundle) GOMAXPROCS() int {
	procs := 0
	for _, e := range b.Of(Trace) {
		procs = max(procs, e.Trace().Procs.Max)
	}
	if procs > 0 {
		return procs
	}
	for _, e := range b.Of(GCTrace) {
		procs = max(procs, e.GC().Procs)
	}
	for _, e := range b.Of(SchedTrace) {
		procs = max(procs, e.Sched().Procs)
	}
	return procs
}

// GoVersion returns the version of Go that most exhibits name, or "".
func (b *Bundle) GoVersion() string {
	count := map[string]int{}
	best := ""
	for _, e := range b.Exhibits {
		if v := e.GoVersion; v != "" {
			count[v]++
			if count[v] > count[best] || count[v] == count[best] && v < best {
				best = v
			}
		}
	}
	return best
}

// Dated reports whether t is a moment that RFC 3339 can write. Damaged evidence may claim any year.
func Dated(t time.Time) bool {
	return !t.IsZero() && t.UTC().Year() >= 1 && t.UTC().Year() <= 9998
}
