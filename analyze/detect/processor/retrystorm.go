package processor

import (
	"fmt"
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
	"inquest/internal/judge"
	"inquest/internal/reading"
)

// RetryStorm claims that failing calls are tried again and again without a pause.
var RetryStorm = &claim.Detector{
	ID:    "retry-storm",
	Title: "Failing calls are retried without a pause",
	Doc: `A peer refuses or fails, and each call is tried again at once, many times. A few requests become thousands of attempts a second: they take the processors of the caller, and they keep a peer down that is about to come back.

**How it is measured.** The standard library and gRPC make an error value for each failed call. Heap profiles count what is allocated there: the most frequent object of one stack and size is one for each failure.
The failures between two profiles, by the function outside the standard library that made the call, are held against the requests that the program was asked meanwhile, counted in the same way: several failures for one request are retries.
CPU samples in the same functions corroborate.

**When it is wrong.** A request that asks many peers, all of which are down, fails as often without a retry. Heap profiles sample: rare failures and rare requests do not show, and then the number of requests is taken to be the most that could be missed.
A program that serves no requests over net/http or gRPC, such as a worker, has nothing to hold failures against and is an info. Errors that the program makes itself, as for a status of 503, are not counted.`,
	Limits: []claim.Limit{
		{Name: "min-rate", Default: evidence.Quantity{Number: 100, Unit: evidence.PerSecond},
			Doc:    "failed calls of one function per second, from which it is an info",
			Source: "measured: making a connection that is refused takes some 100 µs of processor time, so a hundred take a hundredth of a processor"},
		{Name: "min-per-request", Default: evidence.Quantity{Number: 4, Unit: evidence.Ratio},
			Doc:    "failed calls per request served, from which it is a warning",
			Source: "Site Reliability Engineering, chapter 21, Handling Overload: three attempts for a request are the most that are worth making"},
		{Name: "min-cpu-share", Default: evidence.Quantity{Number: 0.01, Unit: evidence.Share},
			Doc:    "CPU samples in making and printing such errors, of all, from which they corroborate",
			Source: "Judgement call: errors are rare where calls succeed; a hundredth of the CPU for them is none of that"},
		{Name: "min-samples", Default: evidence.Quantity{Number: 10, Unit: evidence.Count},
			Doc:    "sampled error values, below which the evidence is thin",
			Source: "Poisson: ten events have a standard error of 32 %"},
	},
	Measures: []claim.Measure{
		{Kind: evidence.Heap, Doc: "error values of failed calls allocated between two heap profiles, and requests served meanwhile", Run: retryHeap},
		{Kind: evidence.CPU, Doc: "samples in making and printing such errors; can confirm and never deny", Run: judge.WorstOf(retryCPU)},
	},
	Fix: []claim.Text{
		"Wait between attempts, twice as long each time, with a random part and a bound (exponential back-off with jitter), and make three in all at most",
		"Stop asking a peer that fails: a circuit breaker, or a budget that allows retries for a tenth of the calls",
		"Retry in one layer only, the outermost that can: three layers with three attempts each make 27 calls of one",
	},
	Explains: []claim.Mechanism{
		{Effect: "pool-exhaustion", Why: "each attempt waits for a connection, which is then refused", Source: "net/http/transport.go, getConn"},
		{Effect: "connection-churn", Why: "each attempt at a peer that refuses makes a connection anew", Source: "net/http/transport.go, dialConn"},
		{Effect: "cpu-hotspot", Why: "attempts that follow one another without a pause take what processors there are", Source: "net/dial.go, DialContext"},
		{Effect: "alloc-hotspot", Why: "each attempt allocates a request, an error and their texts", Source: "net/http/client.go, do"},
		{Effect: "gc-pressure", Unless: "small-goal", Why: "each attempt allocates a request, an error and their texts", Source: "net/http/client.go, do"},
	},
}

// failureFrames make or print the error of a call to a peer that failed, and nothing else.
var failureFrames = stack.Names(`net.(*OpError).Error net/url.(*Error).Error os.(*SyscallError).Error net.(*DNSError).Error os.NewSyscallError net.wrapSyscallError
	google.golang.org/grpc.toRPCErr google.golang.org/grpc/internal/status.Err google.golang.org/grpc/status.Error google.golang.org/grpc/status.Errorf google.golang.org/grpc/internal/status.(*Error).Error`)

// clientFailure is the closure of net/http's client that wraps the error of a request; its number depends on the release.
const clientFailure = "net/http.(*Client).do.func"

// fails reports whether a stack is in the making of the error of a failed call.
func fails(s stack.Stack) bool {
	for _, f := range s {
		if failureFrames[stack.Normal(f.Function)] || strings.HasPrefix(f.Function, clientFailure) {
			return true
		}
		// What the program does with the error, and how a server answers, is no call of its own.
		if !stack.Standard(f.Function) && !strings.HasPrefix(f.Function, "google.golang.org/grpc") {
			return false
		}
	}
	return false
}

// failureFocus leaves the stacks that fails names.
const failureFocus = `OpError\).Error$|url\.\(\*Error\).Error$|SyscallError|DNSError\).Error$|grpc\.toRPCErr$|grpc/(internal/)?status\.|Client\)\.do\.func`

// serves reports whether a stack reads a request that the program is asked.
func serves(s stack.Stack) bool {
	return s.Contains("net/http.(*conn).readRequest", "google.golang.org/grpc.(*Server).handleStream", "net/http.(*http2serverConn).newWriterAndRequest", "net/http/internal/http2.(*serverConn).newWriterAndRequest")
}

// countOf is how often something happened by the objects of one size that it allocates.
type countOf struct {
	count, size int64
}

// sampled is how many of the objects a heap profile sampled, about (runtime/mprof.go).
func (c countOf) sampled(period int64) float64 {
	return float64(c.count*c.size) / float64(max(c.size, period, 1))
}

// happened counts the objects allocated between the first and the last profile in the stacks that keep picks, by the function that answers for them: for
// each, the most frequent object of one stack and size. An error that is wrapped three times is printed three times, each by a stack of its own.
func happened(s *reading.HeapSeries, keep func(stack.Stack) bool, by func(stack.Stack) stack.Site) (map[string]countOf, map[string]stack.Stack) {
	type key struct {
		site, stack string
		size        int64
	}
	sums := map[key]int64{}
	stacks := map[string]stack.Stack{}
	add := func(p *pprofile.Profile, sign int64) {
		column := p.Column("alloc_objects")
		for i := range p.Samples {
			sample := &p.Samples[i]
			if column < 0 || len(sample.Stack) == 0 || sample.Size <= 0 || !keep(sample.Stack) {
				continue
			}
			site := by(sample.Stack).Function
			sums[key{site, fmt.Sprint(sample.Stack), sample.Size}] += sign * sample.Values[column]
			if sign > 0 && stacks[site] == nil {
				stacks[site] = sample.Stack
			}
		}
	}
	add(s.LastExhibit().Profile(), 1)
	if len(s.Views) > 1 {
		add(s.Exhibits[0].Profile(), -1)
	}
	out := map[string]countOf{}
	for k, n := range sums {
		if n > out[k.site].count || n == out[k.site].count && k.size < out[k.site].size {
			out[k.site] = countOf{n, k.size}
		}
	}
	return out, stacks
}

// requestSize is the size of an http.Request, one of which is allocated for each request (net/http/request.go, readRequest).
const requestSize = 240

// minSampled is how many objects must be sampled for their number to be known at all: where none is, there may be up
// to three at 95 % (the rule of three).
const minSampled = 3

func retryHeap(in *claim.Input) claim.Reading {
	s := reading.HeapOf(in.Process, in.Exhibits)
	last, span := s.LastExhibit(), s.Span()
	r := claim.Reading{Silent: "heap profiles sample, and do not show failures that are rare"}
	if last.Profile().Column("alloc_objects") < 0 || len(s.Views) < 2 || span <= 0 {
		r.Silent = "how often calls fail shows between two heap profiles of one process"
		return r
	}
	period := last.Profile().Period
	failed, stacks := happened(s, fails, stack.Stack.Owner)
	all, _ := happened(s, serves, func(stack.Stack) stack.Site { return stack.Site{} })
	requests := all[""]
	// Whether it serves at all shows since the start. By the rule of three so many requests may be missed.
	serving := slices.ContainsFunc(last.Profile().Samples, func(x pprofile.Sample) bool {
		return x.Stack.Contains("net/http.(*conn).serve", "google.golang.org/grpc.(*Server).handleStream")
	})
	most := max(requests.count, minSampled*period/requestSize)
	if requests.sampled(period) >= minSampled {
		most = requests.count
	}
	for name, n := range failed {
		rate := reading.RateOf(float64(n.count), span)
		owner := stacks[name].Owner()
		if n.count <= 0 || n.sampled(period) < minSampled || rate.Number < in.Limit("min-rate").Number || stack.Standard(name) {
			continue
		}
		at := claim.At(owner)
		at.SampleType = "alloc_objects"
		// Stack by stack: each place that makes or prints the error allocates one for each failure.
		counted := s.Added(claim.Stacks(last, "alloc_objects").With("-focus="+failureFocus, claim.Textf("-tagfocus=%db:%db", n.size, n.size)))
		c := claim.Candidate{
			Site: owner, Path: stacks[name].Path(), Severity: claim.Info, Thin: n.sampled(period) < in.Limit("min-samples").Number, Share: 1,
			Summary: claim.Textf("calls of %s fail %s", claim.Func(name), rate),
			Facts: []claim.Fact{{Exhibit: last.ID, Says: claim.Textf("failed calls per second, by the error values of %d bytes allocated under the function", n.size), Value: rate, Of: claim.PartOf(evidence.Duration(span), "time between the snapshots"), Limit: in.Against("min-rate"),
				At: at, Reproduce: counted}},
		}
		if serving {
			ratio := evidence.Quantity{Number: float64(n.count) / float64(max(most, 1)), Unit: evidence.Ratio}
			says := claim.Text("failed calls per request served")
			if most != requests.count {
				says = "failed calls per request served, at least: requests are too few to be sampled"
			}
			c.Facts = append(c.Facts, claim.Fact{Exhibit: last.ID, Says: says, Value: ratio, Of: claim.PartOf(evidence.Of(max(most, 1), evidence.Count), "requests served meanwhile, at most"), Limit: in.Against("min-per-request"), At: at, Reproduce: counted})
			if ratio.Number >= in.Limit("min-per-request").Number {
				c.Severity = claim.Warning
				c.Summary += claim.Textf(", %.0f times or more for each request served: they are tried again without a pause", ratio.Number)
			}
		} else {
			c.Caveats = append(c.Caveats, "the program serves no requests that failures could be held against: it may ask many peers once")
		}
		// Attempts over net/http are made in goroutines that name nobody.
		if site, ok := failsToDial(last.Profile()); ok && stacks[name].Contains("net/http.(*Client).do", "net/url.(*Error).Error") {
			judge.AddSites(&c, site)
		}
		r.Candidates = append(r.Candidates, c)
	}
	judge.SortCandidates(&r)
	r.Candidates = r.Candidates[:min(len(r.Candidates), 3)]
	return r
}

// failsToDial returns where net/http's client makes connections, when some of them fail.
func failsToDial(p *pprofile.Profile) (stack.Site, bool) {
	for i := range p.Samples {
		s := p.Samples[i].Stack
		if at := slices.IndexFunc(s, func(f *stack.Frame) bool { return f.Function == httpDial }); at >= 0 && fails(s) {
			return s[at].Site(), true
		}
	}
	return stack.Site{}, false
}

func retryCPU(in *claim.Input, e *evidence.Exhibit) claim.Reading {
	p := e.Profile()
	column := p.Column("samples")
	total := p.Total(column)
	r := claim.Reading{Silent: "a CPU profile does not show how often calls fail"}
	if column < 0 {
		return r
	}
	for _, s := range reading.BySite(p, column, func(s *pprofile.Sample) stack.Site {
		if !fails(s.Stack) {
			return stack.Site{}
		}
		return s.Stack.Owner()
	}) {
		share := evidence.Part(s.Values[column], total)
		if len(r.Candidates) == reading.FewSites || share.Number < in.Limit("min-cpu-share").Number {
			break
		}
		r.Candidates = append(r.Candidates, claim.Candidate{
			Site: s.Site, Path: s.Path, Thin: true,
			Summary: claim.Textf("%s of the CPU samples make errors of failed calls under %s", share, claim.Func(s.Site.Function)),
			Facts: []claim.Fact{{Exhibit: e.ID, Says: "CPU samples in making errors of failed calls under the function", Value: share, Of: claim.PartOf(evidence.Of(total, evidence.Count), "all CPU samples"), At: claim.At(s.Site), Limit: in.Against("min-cpu-share"),
				Reproduce: claim.Peek(e, "samples", s.Site).With("-focus=" + failureFocus)}},
		})
	}
	return r
}
