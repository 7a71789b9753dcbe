package memory

import (
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/stack"
	"inquest/internal/evidence/wait"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// DescriptorLeak claims that files and sockets are opened and not closed, until the process may open no more.
var DescriptorLeak = &claim.Detector{
	ID:    "descriptor-leak",
	Title: "File descriptors run out",
	Doc: `Files or connections are opened and stay open. Memory hardly shows it, until the process has as many descriptors as it may have: from then on nothing can be opened, dialled or accepted ("too many open files"), and a server
that still runs answers nobody new.

**How it is measured.** In a dump, the accept loop of a server that sleeps: net/http and gRPC do so only after accepting a connection has failed for a reason that may pass, which on Unix is that the process or the system has no descriptor
left. In heap profiles of one process, the objects behind open files and dialled connections (os.newFile, net.newFD) by the first function outside the standard library: their number must be large and grow, by more than sampling
can bring about. Accepted connections do not count: how many there are is the clients' affair.

**When it is wrong.** The limit may be too low for as many clients as are connected: the dump says how many goroutines wait on connections. An accept loop pauses up to a second at a time and tries again, so that a dump may miss it. A pool of connections that
is still growing looks like a leak between two snapshots.`,
	Limits: []claim.Limit{
		{Name: "min-live", Default: evidence.Quantity{Number: 1000, Unit: evidence.Count},
			Doc:    "open files or dialled connections of one function",
			Source: "getrlimit(2): 1024 is the usual soft limit, which Go raises to the hard one only since 1.19 (os/rlimit.go)"},
		{Name: "min-growth", Default: evidence.Quantity{Number: 64 << 10, Unit: evidence.Bytes},
			Doc:    "more memory of them in the last snapshot than in the first",
			Source: "a thousand objects of 64 bytes, the smaller of those behind a file (os/file_unix.go, file); sampling asks for more where it is rough"},
		{Name: "min-growth-share", Default: minGrowthShare,
			Doc:    "growth of the same, of what there was in the first snapshot",
			Source: "as timer-leak.min-growth-share"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Dump, Doc: "accept loops that sleep after a failure", Run: judge.WorstOf(descriptorsDump)},
		{Kind: evidence.Heap, Doc: "open files and dialled connections by who opened them, in successive heap profiles", Run: descriptorsHeap},
	},
	Fix: []claim.Text{
		"Close what was opened on every way out: defer f.Close() right after the check of the error, for files, connections, rows and the bodies of answers alike",
		"Bound how many are open at a time, with a pool or a semaphore, and give idle connections a deadline (http.Server.IdleTimeout, SetDeadline)",
		"See what is open: ls -l /proc/PID/fd, or lsof -p PID; if all of it is in use, raise the limit (ulimit -n, LimitNOFILE)",
	},
	Explains: []claim.Mechanism{
		{Effect: "heap-growth", Why: "each open file or connection has its objects and buffers", Source: "os/file_unix.go, newFile; net/fd_unix.go, newFD"},
	},
}

// acceptLoops sleep or wait for a timer only when accepting has failed for a reason that may pass.
var acceptLoops = map[string]wait.Class{
	"net/http.(*Server).Serve":               wait.Sleep,  // net/http/server.go: tempDelay
	"google.golang.org/grpc.(*Server).Serve": wait.Select, // grpc/server.go: tempDelay
}

// pausesAccepting reports whether a goroutine is an accept loop that pauses after a failure.
func pausesAccepting(g *dump.Goroutine) bool {
	s := g.Stack()
	class := wait.OfState(g.State, s)
	for _, f := range s {
		if need, ok := acceptLoops[stack.Normal(f.Function)]; ok {
			return class == need
		}
		if !stack.Plumbing(f.Function) {
			return false
		}
	}
	return false
}

func descriptorsDump(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	r := claim.Reading{Silent: "it shows one moment, and at that moment no accept loop pauses after a failure"}
	n, connections := 0, 0
	var first *dump.Goroutine
	for i := range e.Dump().Goroutines {
		g := &e.Dump().Goroutines[i]
		if pausesAccepting(g) {
			if n++; first == nil {
				first = g
			}
		}
		if s := g.Stack(); wait.OfState(g.State, s) == wait.Network && wait.Poller(s) == "net" {
			connections++
		}
	}
	if n == 0 {
		return r
	}
	find := claim.Grep(e, claim.Textf("goroutine %d ", first.ID))
	r.Candidates = []claim.Candidate{{
		Severity: claim.Critical, Share: 1,
		Summary: claim.Textf("a server cannot accept connections: its accept loop, goroutine %d, pauses after a failure, which means that no file descriptor was left", first.ID),
		Facts: []claim.Fact{
			{Exhibit: e.ID, Says: "accept loops that pause after a failure", Value: evidence.Of(n, evidence.Count), At: claim.Location{Goroutine: first.ID}, Reproduce: find},
			{Exhibit: e.ID, Says: "goroutines that wait on connections meanwhile", Value: evidence.Of(connections, evidence.Count), Of: claim.PartOf(evidence.Of(len(e.Dump().Goroutines), evidence.Count), "all goroutines of the dump"),
				At: claim.Location{Goroutine: first.ID}, Reproduce: claim.Grep(e, "IO wait")},
		},
		Caveats: []claim.Text{"a dump does not show what is open, nor who opened it"},
	}}
	return r
}

// opens reports whether memory was allocated for an open file or a connection that the program dialled.
func opens(s stack.Stack) bool {
	made := false
	for _, f := range s {
		switch name := stack.Normal(f.Function); {
		case name == "os.newFile", name == "net.newFD":
			made = true
		case name == "net.(*netFD).accept":
			return false
		case !stack.Standard(name):
			return made
		}
	}
	return made
}

// descriptorFocus leaves the memory of open files and connections.
const descriptorFocus = `-focus=^(os\.newFile|net\.newFD)$`

func descriptorsHeap(in *claim.Input) claim.Reading {
	whole := reading.HeapOf(in.Process, in.Exhibits)
	s := whole.Part(opens)
	last := s.LastExhibit()
	if len(s.Views) < 2 || last.Profile().Column("inuse_space") < 0 {
		return claim.Reading{Silent: alone(whole)}
	}
	r := claim.Reading{Silent: "heap profiles sample, and a thousand open files are a few samples at most"}
	for _, g := range s.Growing(in.Limit("min-growth").Number, in.Limit("min-growth-share").Number, allMemory) {
		h := s.Last().Sites[g.Name]
		n := mostOfOneSize(last.Profile(), g.Name, opens)
		// Fewer reach no limit.
		if float64(n) < in.Limit("min-live").Number || len(r.Candidates) == reading.MaxSites {
			continue
		}
		at := claim.At(h.Site)
		at.SampleType = "inuse_objects"
		c := claim.Candidate{
			Site: h.Site, Path: h.Path, Severity: claim.Warning, Thin: !g.Steady(), Share: evidence.Part(h.Inuse, whole.Last().Inuse).Number,
			Summary: claim.Textf("files or connections that %s opens stay open: %s of them, and more with each snapshot", claim.Func(h.Site.Function), evidence.Of(n, evidence.Count)),
			Facts: append([]claim.Fact{{Exhibit: last.ID, Says: "open files or dialled connections of the function", Value: evidence.Of(n, evidence.Count), Limit: in.Against("min-live"), At: at,
				Reproduce: claim.Peek(last, "inuse_objects", h.Site).With(descriptorFocus)}}, growthFacts(in, s, g, h, "memory in use of what the function has open", descriptorFocus)...),
		}
		if g.Ended() {
			c.Severity = claim.Info
			c.Caveats = append(c.Caveats, "the growth slowed down or stopped before the last snapshot, as that of a pool being filled does")
		}
		if len(s.Views) == 2 {
			c.Caveats = append(c.Caveats, "two snapshots cannot tell a leak from a pool that is being filled: a third, minutes later, would")
		}
		r.Candidates = append(r.Candidates, c)
	}
	return r
}
