package analyze

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"inquest/analyze/claim"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/content"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/runtimelog"
	"inquest/internal/evidence/stack"
)

// plenty is a content of a kind that has the power to deny a claim and shows none.
func plenty(k evidence.Kind) content.Content {
	switch k {
	case evidence.Trace:
		return &exectrace.Timeline{}
	case evidence.Dump:
		return &dump.Dump{}
	case evidence.GCTrace:
		return &runtimelog.GC{Total: runtimelog.GCWindow{To: time.Hour}}
	}
	return &pprofile.Profile{
		Columns: []pprofile.Column{{Name: "samples"}, {Name: "cpu"}, {Name: "inuse_space"}},
		Samples: []pprofile.Sample{{Values: []int64{100_000, 1e12, 1 << 30}}},
	}
}

// bundle makes a case of one whole exhibit per kind.
func bundle(kinds ...evidence.Kind) *evidence.Bundle {
	b := &evidence.Bundle{Title: "case"}
	for i, k := range kinds {
		e := &evidence.Exhibit{ID: fmt.Sprintf("e%d", i+1), Path: string(k), Kind: k, Coverage: evidence.Whole, Content: plenty(k)}
		b.Exhibits = append(b.Exhibits, e)
	}
	return b
}

// shows is a measure that sees the claim at the given sites.
func shows(kind evidence.Kind, severity claim.Severity, sites ...string) claim.Measure {
	return claim.Measure{Kind: kind, Doc: "test", Run: func(in *claim.Input) claim.Reading {
		r := claim.Reading{Says: "nothing else"}
		for _, s := range sites {
			r.Candidates = append(r.Candidates, candidate(in.Exhibits[0].ID, severity, s))
		}
		return r
	}}
}

func candidate(exhibit string, severity claim.Severity, site string) claim.Candidate {
	return claim.Candidate{
		Site: stack.Site{Function: site}, Path: []string{site}, Severity: severity, Summary: claim.Textf("%s is at fault", site),
		Facts: []claim.Fact{{Exhibit: exhibit, Says: "how much", Value: evidence.Of(7, evidence.Count)}},
	}
}

func silent(kind evidence.Kind) claim.Measure {
	return claim.Measure{Kind: kind, Doc: "test", Run: func(*claim.Input) claim.Reading { return claim.Reading{Silent: "too thin"} }}
}

// detector is one with measures of the test's own; under the id of one of the catalogue it explains what that explains.
func detector(id string, measures ...claim.Measure) *claim.Detector {
	d := claim.Detector{}
	if i := slices.IndexFunc(detect.All, func(d *claim.Detector) bool { return d.ID == id }); i >= 0 {
		d = *detect.All[i]
	}
	return &claim.Detector{ID: id, Title: claim.Legacy(id), Doc: "doc", Measures: measures, Fix: []claim.Text{"mend it"},
		Explains: d.Explains, Waiting: d.Waiting, Wakes: d.Wakes,
		Limits: []claim.Limit{{Name: "min-share", Default: evidence.Quantity{Number: 0.5, Unit: evidence.Share}, Doc: "d", Source: "s"}}}
}

func mustRun(t *testing.T, b *evidence.Bundle, opt Options, ds ...*claim.Detector) Result {
	t.Helper()
	res, err := Run(b, ds, opt)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestPastDoesNotAlarm: what profiles count since the start, and a trace of the
// program at work does not show, is told and alarms nobody.
func TestPastDoesNotAlarm(t *testing.T) {
	accuse := claim.Measure{Kind: evidence.Mutex, Doc: "test", Run: func(in *claim.Input) claim.Reading {
		c := candidate(in.Exhibits[0].ID, claim.Critical, "main.f")
		c.Thin = in.Exhibits[0].Duration == 0
		return claim.Reading{Candidates: []claim.Candidate{c}}
	}}
	for _, tt := range []struct {
		name           string
		profile, trace time.Duration
		running        time.Duration
		want           claim.Severity
	}{
		{"since the start", 0, time.Second, time.Second, claim.Info},
		{"over a time of its own", time.Second, time.Second, time.Second, claim.Critical},
		{"the trace is a glimpse", 0, 200 * time.Millisecond, time.Second, claim.Critical},
		{"the trace shows an idle program", 0, time.Second, 0, claim.Critical},
	} {
		b := bundle(evidence.Mutex, evidence.Trace)
		b.Exhibits[0].Duration = tt.profile
		b.Exhibits[1].Duration = tt.trace
		b.Exhibits[1].Trace().Procs.Running, b.Exhibits[1].Trace().Procs.Idle = tt.running, time.Second
		res := mustRun(t, b, Options{}, detector("d", accuse, shows(evidence.Trace, claim.Warning)))
		if len(res.Findings) != 1 || res.Findings[0].Severity != tt.want {
			t.Errorf("%s: %+v, want %s", tt.name, res.Findings, tt.want)
		}
	}
}

// TestPastIsSaidOfProfilesSinceTheStartAlone holds what takes an alarm away to its limits.
func TestPastIsSaidOfProfilesSinceTheStartAlone(t *testing.T) {
	for _, tt := range []struct {
		name    string
		kind    evidence.Kind
		solid   bool
		trace   claim.Measure
		length  time.Duration
		running time.Duration // of 2 s
		want    claim.Severity
	}{
		{"a block profile", evidence.Block, false, shows(evidence.Trace, claim.Warning), time.Second, time.Second, claim.Info},
		{"a goroutine dump tells of its moment", evidence.Dump, false, shows(evidence.Trace, claim.Warning), time.Second, time.Second, claim.Warning},
		{"good evidence", evidence.Block, true, shows(evidence.Trace, claim.Warning), time.Second, time.Second, claim.Warning},
		{"a trace that cannot say", evidence.Block, false, silent(evidence.Trace), time.Second, time.Second, claim.Warning},
		{"a trace that shows it as well", evidence.Block, false, shows(evidence.Trace, claim.NoSeverity, "main.f"), time.Second, time.Second, claim.Warning},
		{"a trace that shows it elsewhere", evidence.Block, false, shows(evidence.Trace, claim.NoSeverity, "main.g"), time.Second, time.Second, claim.Info},
		{"the shortest trace", evidence.Block, false, shows(evidence.Trace, claim.Warning), 900 * time.Millisecond, time.Second, claim.Info},
		{"a shorter one", evidence.Block, false, shows(evidence.Trace, claim.Warning), 900*time.Millisecond - 1, time.Second, claim.Warning},
		{"hardly at work", evidence.Block, false, shows(evidence.Trace, claim.Warning), time.Second, 10 * time.Millisecond, claim.Info},
		{"at rest", evidence.Block, false, shows(evidence.Trace, claim.Warning), time.Second, 9 * time.Millisecond, claim.Warning},
	} {
		accuse := claim.Measure{Kind: tt.kind, Doc: "test", Run: func(in *claim.Input) claim.Reading {
			c := candidate(in.Exhibits[0].ID, claim.Warning, "main.f")
			c.Thin = !tt.solid
			return claim.Reading{Candidates: []claim.Candidate{c}, Silent: "cannot deny"}
		}}
		b := bundle(tt.kind, evidence.Trace)
		b.Exhibits[1].Duration = tt.length
		b.Exhibits[1].Trace().Procs.Running, b.Exhibits[1].Trace().Procs.Idle = tt.running, 2*time.Second-tt.running
		res := mustRun(t, b, Options{}, detector("d", accuse, tt.trace))
		said := len(res.Findings) == 1 && slices.ContainsFunc(res.Findings[0].Caveats, func(c claim.Text) bool { return strings.Contains(c.String(), "it is past") })
		if len(res.Findings) != 1 || res.Findings[0].Severity != tt.want || said != (tt.want == claim.Info) {
			t.Errorf("%s: %+v, want %s", tt.name, res.Findings, tt.want)
		}
	}
}

// TestOwnerOfALibrarySite checks that a finding in a library names the program's
// code that reached it, and no other.
func TestOwnerOfALibrarySite(t *testing.T) {
	const logger = "github.com/x/log.(*Entry).write"
	files := map[string]string{
		logger:                    "github.com/x/log@v1.2.3/entry.go",
		"github.com/x/log.Print":  "github.com/x/log@v1.2.3/log.go",
		"sync.(*Pool).Get":        "sync/pool.go",
		"main.(*API).serve":       "shop/api.go",
		"main.main":               "shop/main.go",
		"shop/store.(*Store).Put": "shop/store/store.go",
	}
	for _, tt := range []struct{ path, want string }{
		{logger + " main.(*API).serve", "main.(*API).serve"},
		{logger + " github.com/x/log.Print shop/store.(*Store).Put main.(*API).serve", "shop/store.(*Store).Put"},
		{"sync.(*Pool).Get main.(*API).serve", "main.(*API).serve"},
		{"main.(*API).serve main.main", ""},
		{"shop/store.(*Store).Put main.(*API).serve", ""},
		{logger + " main.main", ""},
		{logger + " unknown.(*T).f main.(*API).serve", "main.(*API).serve"},
		{logger, ""},
		{"unknown.(*T).f main.(*API).serve", ""},
	} {
		path := strings.Fields(tt.path)
		b := bundle(evidence.Mutex)
		var s stack.Stack
		for _, name := range path {
			s = append(s, &stack.Frame{Function: name, File: files[name], Line: 7})
		}
		b.Exhibits[0].Content = &pprofile.Profile{Columns: []pprofile.Column{{Name: "contentions"}, {Name: "delay"}}, Samples: []pprofile.Sample{{Stack: s, Values: []int64{1, 1}}}}
		res := mustRun(t, b, Options{}, detector("d", claim.Measure{Kind: evidence.Mutex, Doc: "test", Run: func(in *claim.Input) claim.Reading {
			c := candidate(in.Exhibits[0].ID, claim.Warning, path[0])
			c.Path = path
			return claim.Reading{Candidates: []claim.Candidate{c}}
		}}))
		f := res.Findings[0]
		// The program's own code leads, the library that the evidence names comes after it.
		first := path[0]
		if tt.want != "" {
			first = tt.want
		}
		told := strings.Contains(res.Chains[0].Title.String(), first+" (in "+path[0]+")")
		listed := len(f.Sites) == 2 && f.Sites[0].Function == first && f.Sites[0].Line == 7 && f.Sites[1].Function == path[0]
		if f.Site.Function != first || tt.want != "" && (!told || !listed) || tt.want == "" && len(f.Sites) != 1 {
			t.Errorf("%s: site %q, title %q, sites %v, want %q", tt.path, f.Site.Function, res.Chains[0].Title, f.Sites, tt.want)
		}
		if f.Fingerprint != claim.Fingerprint("d", path[0]) {
			t.Errorf("%s: the fingerprint is not that of what the evidence names", tt.path)
		}
	}
}

// TestOnlyCallerOfALibrary: a goroutine that a library starts is placed by who alone reaches it in other profiles.
func TestOnlyCallerOfALibrary(t *testing.T) {
	const stream = "github.com/x/rpc.newStream"
	library := func(name string) stack.Frame {
		return stack.Frame{Function: name, File: "github.com/x/rpc@v1.2.3/rpc.go", Line: 1}
	}
	program := func(name string) stack.Frame { return stack.Frame{Function: name, File: "shop/api.go", Line: 7} }
	for want, callers := range map[string][]string{"main.look": {"main.look", "main.look"}, stream: {"main.look", "main.list"}} {
		b := bundle(evidence.Goroutine, evidence.Heap)
		sample := func(s ...stack.Frame) pprofile.Sample {
			return pprofile.Sample{Stack: stack.Of(s), Values: []int64{1, 1, 1, 1}}
		}
		b.Exhibits[0].Content = &pprofile.Profile{Columns: []pprofile.Column{{Name: "goroutine"}}, Samples: []pprofile.Sample{sample(library(stream + ".func4"))}}
		b.Exhibits[1].Content = &pprofile.Profile{Columns: []pprofile.Column{{Name: "alloc_objects"}, {Name: "alloc_space"}, {Name: "inuse_objects"}, {Name: "inuse_space"}}}
		for _, caller := range callers {
			b.Exhibits[1].Profile().Samples = append(b.Exhibits[1].Profile().Samples, sample(library("github.com/x/rpc.alloc"), library(stream), library("github.com/x/rpc.Watch"), program(caller), program("main.main.func1")))
		}
		res := mustRun(t, b, Options{}, detector("d", claim.Measure{Kind: evidence.Goroutine, Doc: "test", Run: func(in *claim.Input) claim.Reading {
			c := candidate(in.Exhibits[0].ID, claim.Warning, stream)
			c.Path = []string{stream}
			return claim.Reading{Candidates: []claim.Candidate{c}}
		}}))
		if got := res.Findings[0].Site.Function; got != want {
			t.Errorf("%v: placed at %s, want %s", callers, got, want)
		}
	}
}

// TestWhatSettles: a kind that shows one variant of a claim alone settles no other, such as gctrace, which knows the
// collector's stops of the world alone.
func TestWhatSettles(t *testing.T) {
	for _, tt := range []struct {
		detector, variant string
		kind              evidence.Kind
		want              bool
	}{
		{"stw-extension", "GC", evidence.GCTrace, true},
		{"stw-extension", "read mem stats", evidence.GCTrace, false},
		{"stw-extension", "read mem stats", evidence.Trace, true},
		{"gc-pressure", "", evidence.GCTrace, true},
		{"gc-pressure", "", evidence.Folded, false},
	} {
		i := slices.IndexFunc(detect.All, func(d *claim.Detector) bool { return d.ID == tt.detector })
		f := &finding{by: detect.All[i], Finding: claim.Finding{Detector: tt.detector, Variant: tt.variant, Checks: []claim.Check{{Kind: tt.kind, Result: claim.Absent}}}}
		if got := missing([]*finding{f}); len(got) == 1 != tt.want {
			t.Errorf("%s %q %s: %v, want %v", tt.detector, tt.variant, tt.kind, got, tt.want)
		}
	}
}

func TestVerdicts(t *testing.T) {
	boom := claim.Measure{Kind: evidence.Block, Doc: "test", Run: func(*claim.Input) claim.Reading { panic("boom") }}
	for name, c := range map[string]struct {
		measures []claim.Measure
		want     string
	}{
		"a finding":                       {[]claim.Measure{shows(evidence.Mutex, claim.Warning, "main.f")}, claim.Found},
		"nothing there":                   {[]claim.Measure{shows(evidence.Mutex, claim.Warning)}, claim.Clear},
		"thin evidence is not clear":      {[]claim.Measure{silent(evidence.Mutex)}, claim.Undecided},
		"one kind that would show it":     {[]claim.Measure{silent(evidence.Mutex), shows(evidence.Block, claim.Warning)}, claim.Clear},
		"kind absent":                     {[]claim.Measure{shows(evidence.Heap, claim.Warning, "main.f")}, claim.Skipped},
		"our bug":                         {[]claim.Measure{boom}, claim.Failed},
		"our bug hides no finding":        {[]claim.Measure{boom, shows(evidence.Mutex, claim.Warning, "main.f")}, claim.Found},
		"our bug is never clear":          {[]claim.Measure{boom, shows(evidence.Mutex, claim.Warning)}, claim.Failed},
		"vouching alone is not a finding": {[]claim.Measure{shows(evidence.Mutex, claim.NoSeverity, "main.f")}, claim.Clear},
	} {
		res := mustRun(t, bundle(evidence.Mutex, evidence.Block), Options{}, detector("d", c.measures...))
		if got := res.Verdicts[0].Result; got != c.want {
			t.Errorf("%s: %s (%s), want %s", name, got, res.Verdicts[0].Why, c.want)
		}
		if res.Verdicts[0].Why == "" {
			t.Errorf("%s: verdict without a reason", name)
		}
	}
}

func TestConfidenceFollowsTheChecks(t *testing.T) {
	all := []evidence.Kind{evidence.Mutex, evidence.Block, evidence.Goroutine, evidence.Dump}
	for name, c := range map[string]struct {
		measures []claim.Measure
		partial  bool
		want     claim.Confidence
		checks   []string
	}{
		"two agree":               {[]claim.Measure{shows(evidence.Mutex, claim.Warning, "f"), shows(evidence.Block, claim.NoSeverity, "f")}, false, claim.High, []string{claim.Agrees, claim.Agrees}},
		"one alone":               {[]claim.Measure{shows(evidence.Mutex, claim.Warning, "f"), silent(evidence.Block)}, false, claim.Medium, []string{claim.Agrees, claim.Silent}},
		"one against one":         {[]claim.Measure{shows(evidence.Mutex, claim.Warning, "f"), shows(evidence.Block, claim.Warning)}, false, claim.Low, []string{claim.Agrees, claim.Disagrees}},
		"two against one":         {[]claim.Measure{shows(evidence.Mutex, claim.Warning, "f"), shows(evidence.Dump, claim.Warning, "f"), shows(evidence.Block, claim.Warning)}, false, claim.Medium, []string{claim.Agrees, claim.Agrees, claim.Disagrees}},
		"absent does not count":   {[]claim.Measure{shows(evidence.Mutex, claim.Warning, "f"), shows(evidence.Heap, claim.Warning, "f")}, false, claim.Medium, []string{claim.Agrees, claim.Absent}},
		"one moment seen twice":   {[]claim.Measure{shows(evidence.Goroutine, claim.Warning, "f"), shows(evidence.Dump, claim.Warning, "f")}, false, claim.Medium, []string{claim.Agrees, claim.Agrees}},
		"one alone, read in part": {[]claim.Measure{shows(evidence.Mutex, claim.Warning, "f")}, true, claim.Low, []string{claim.Agrees}},
	} {
		b := bundle(all...)
		if c.partial {
			b.Exhibits[0].Coverage = evidence.Partial
		}
		res := mustRun(t, b, Options{}, detector("d", c.measures...))
		if len(res.Findings) != 1 {
			t.Fatalf("%s: %d findings", name, len(res.Findings))
		}
		f := res.Findings[0]
		var checks []string
		for _, ch := range f.Checks {
			checks = append(checks, ch.Result)
			if ch.Why == "" {
				t.Errorf("%s: a check without a reason", name)
			}
			if (ch.Result == claim.Agrees) != (ch.Value != nil) {
				t.Errorf("%s: %s carries value %v", name, ch.Result, ch.Value)
			}
		}
		if f.Confidence != c.want || !slices.Equal(checks, c.checks) {
			t.Errorf("%s: confidence %s, checks %v; want %s, %v", name, f.Confidence, checks, c.want, c.checks)
		}
	}
}

func TestKindsJoinAtTheNearestSharedFrame(t *testing.T) {
	at := func(kind evidence.Kind, path ...string) claim.Measure {
		return claim.Measure{Kind: kind, Doc: "test", Run: func(in *claim.Input) claim.Reading {
			c := candidate(in.Exhibits[0].ID, claim.Warning, path[0])
			c.Path = path
			return claim.Reading{Candidates: []claim.Candidate{c}}
		}}
	}
	for name, c := range map[string]struct {
		a, b []string
		want int // findings
	}{
		"same function":                      {[]string{"app.Get"}, []string{"app.Get"}, 1},
		"lock and unlock helpers":            {[]string{"app.unlock", "app.Get", "main.main"}, []string{"app.lock", "app.Get", "main.main"}, 1},
		"only the entry point is shared":     {[]string{"app.A", "main.main"}, []string{"app.B", "main.main"}, 2},
		"only a standard frame is shared":    {[]string{"app.A", "net/http.HandlerFunc.ServeHTTP"}, []string{"app.B", "net/http.HandlerFunc.ServeHTTP"}, 2},
		"the shared frame is too far to say": {[]string{"app.A", "a.1", "a.2", "app.All"}, []string{"app.B", "b.1", "b.2", "app.All"}, 2},
	} {
		d := detector("d", at(evidence.Mutex, c.a...), at(evidence.Block, c.b...))
		res := mustRun(t, bundle(evidence.Mutex, evidence.Block), Options{}, d)
		if len(res.Findings) != c.want {
			t.Errorf("%s: %d findings, want %d", name, len(res.Findings), c.want)
		}
	}
}

func TestBuildsAreNeverMixed(t *testing.T) {
	b := bundle(evidence.Mutex, evidence.Block)
	b.Exhibits[0].BuildID, b.Exhibits[1].BuildID = "old", "new"
	res := mustRun(t, b, Options{}, detector("d", shows(evidence.Mutex, claim.Warning, "f"), shows(evidence.Block, claim.Warning, "f")))
	if len(res.Findings) != 2 || len(res.Chains) != 2 {
		t.Errorf("%d findings in %d chains, want two of each: one per build", len(res.Findings), len(res.Chains))
	}
	if len(res.Quality) == 0 || !strings.Contains(res.Quality[0].Says.String(), "2 different builds") {
		t.Errorf("the report does not say that builds are mixed: %v", res.Quality)
	}
}

func TestLimits(t *testing.T) {
	d := detector("d", claim.Measure{Kind: evidence.Mutex, Doc: "test", Run: func(in *claim.Input) claim.Reading {
		r := claim.Reading{}
		if in.Limit("min-share").Number <= 0.3 {
			r.Candidates = []claim.Candidate{candidate("e1", claim.Warning, "f")}
		}
		return r
	}})
	name, q, err := ParseLimit([]*claim.Detector{d}, "d.min-share=30%")
	if err != nil || name != "d.min-share" || q != (evidence.Quantity{Number: 0.3, Unit: evidence.Share}) {
		t.Fatalf("ParseLimit = %s, %v, %v", name, q, err)
	}
	b := bundle(evidence.Mutex)
	if res := mustRun(t, b, Options{}, d); len(res.Findings) != 0 {
		t.Error("found at the default limit")
	}
	res := mustRun(t, b, Options{Limits: map[string]evidence.Quantity{name: q}}, d)
	if len(res.Findings) != 1 || len(res.Limits) != 1 {
		t.Errorf("%d findings, %d limits echoed; want one of each", len(res.Findings), len(res.Limits))
	}
	for _, bad := range []string{"", "d", "d.min-share", "d.min-share=", "d.min-share=x", "d.min-share=NaN", "d.min-share=-1", "d.max-x=1", "x.min-share=1"} {
		if _, _, err := ParseLimit([]*claim.Detector{d}, bad); err == nil {
			t.Errorf("ParseLimit(%q) succeeds", bad)
		}
	}
}

func TestOnlySkipAndBaseline(t *testing.T) {
	a, b := detector("a", shows(evidence.Mutex, claim.Warning, "f")), detector("b", shows(evidence.Mutex, claim.Warning, "f"))
	res := mustRun(t, bundle(evidence.Mutex), Options{Only: []string{"a", "b"}, Skip: []string{"b"}}, a, b)
	if len(res.Verdicts) != 1 || res.Verdicts[0].Detector != "a" {
		t.Errorf("verdicts = %v", res.Verdicts)
	}
	if _, err := Run(bundle(), []*claim.Detector{a}, Options{Only: []string{"typo"}}); err == nil {
		t.Error("an unknown detector is accepted")
	}
	res = mustRun(t, bundle(evidence.Mutex), Options{Accepted: []string{res.Findings[0].Fingerprint}}, a, b)
	for _, f := range res.Findings {
		if f.Accepted != (f.Detector == "a") {
			t.Errorf("%s: accepted = %v", f.Detector, f.Accepted)
		}
	}
}

// lockStory is three detectors whose findings belong together, and one that stands apart.
func lockStory() []*claim.Detector {
	long := detector("long-critical-section", shows(evidence.Trace, claim.Warning, "app.Place"))
	hot := detector("mutex-hotspot", shows(evidence.Mutex, claim.Critical, "app.Place"))
	pile := detector("goroutine-pileup", shows(evidence.Dump, claim.Critical, "app.Place"))
	apart := detector("alloc-hotspot", shows(evidence.Heap, claim.Warning, "app.Render"))
	return []*claim.Detector{hot, long, pile, apart}
}

func TestCorrelateFindsTheRoot(t *testing.T) {
	b := bundle(evidence.Mutex, evidence.Heap, evidence.Trace, evidence.Dump)
	b.Exhibits[2].Trace().Wakes = []exectrace.Wake{{From: stack.Site{Function: "app.Place"}, To: stack.Site{Function: "app.Place"}, Count: 12}}
	res := mustRun(t, b, Options{}, lockStory()...)
	if len(res.Chains) != 2 {
		t.Fatalf("%d chains, want two", len(res.Chains))
	}
	first := res.Chains[0]
	byID := map[string]string{}
	for _, f := range res.Findings {
		byID[f.ID] = f.Detector
	}
	if byID[first.Root] != "long-critical-section" || len(first.Findings) != 3 || first.Severity != claim.Critical {
		t.Errorf("first chain: root %s, findings %v, severity %s", byID[first.Root], first.Findings, first.Severity)
	}
	relations := map[string]bool{}
	for _, l := range first.Links {
		relations[l.Relation] = true
		if l.Why == "" {
			t.Error("a link without a reason")
		}
	}
	for _, want := range []string{claim.Wakes, claim.SameSite, claim.Explains} {
		if !relations[want] {
			t.Errorf("no %s link in %v", want, first.Links)
		}
	}
	total := 0
	for _, c := range res.Chains {
		total += len(c.Findings)
	}
	if total != len(res.Findings) {
		t.Errorf("%d findings in chains, %d in all: each belongs in exactly one", total, len(res.Findings))
	}
}

func TestCorrelateIgnoresOrder(t *testing.T) {
	b := bundle(evidence.Mutex, evidence.Heap, evidence.Trace, evidence.Dump)
	ds := append(lockStory(),
		&claim.Detector{ID: "gc-pressure", Title: "gc", Process: true, Measures: []claim.Measure{shows(evidence.Heap, claim.Warning, "")}},
		&claim.Detector{ID: "sched-latency", Title: "latency", Process: true, Measures: []claim.Measure{shows(evidence.Trace, claim.Warning, "")}})
	res := mustRun(t, b, Options{}, ds...)
	_, findings := judge(split(b), ds, Options{})
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		shuffled := slices.Clone(findings)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if diff := cmp.Diff(res.Chains, correlate(b, shuffled), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("other chains after a shuffle:\n%s", diff)
		}
	}
}

// TestWholeProcessVouchesForSites checks that a candidate without a site joins
// every site of its detector, and stands alone where there is none.
func TestWholeProcessVouchesForSites(t *testing.T) {
	b := bundle(evidence.Heap, evidence.Trace)
	res := mustRun(t, b, Options{}, detector("grows",
		shows(evidence.Heap, claim.Warning, "main.f", "main.g"), shows(evidence.Trace, claim.NoSeverity, "")))
	if len(res.Findings) != 2 {
		t.Fatalf("%d findings, want 2", len(res.Findings))
	}
	for _, f := range res.Findings {
		if f.Site.Function == "" || f.Confidence != claim.High {
			t.Errorf("site %q with confidence %s, want a named site vouched for by both kinds", f.Site.Function, f.Confidence)
		}
	}
	res = mustRun(t, bundle(evidence.Trace), Options{}, detector("grows",
		shows(evidence.Heap, claim.Warning, "main.f"), shows(evidence.Trace, claim.Info, "")))
	if len(res.Findings) != 1 || res.Findings[0].Site.Function != "" {
		t.Errorf("findings %v, want one without a site", res.Findings)
	}
}

// TestGroupsMeet checks that two kinds that name the holder of a lock join two
// that name its waiters, when the paths of both meet, and that sites that share no
// kind but also no path stay apart.
func TestGroupsMeet(t *testing.T) {
	near := func(kind evidence.Kind, path ...string) claim.Measure {
		m := shows(kind, claim.Warning, path[0])
		inner := m.Run
		m.Run = func(in *claim.Input) claim.Reading {
			r := inner(in)
			r.Candidates[0].Path = path
			return r
		}
		return m
	}
	b := bundle(evidence.Mutex, evidence.Block, evidence.Trace, evidence.Dump)
	for want, waiter := range map[int][]string{1: {"main.get", "main.type"}, 2: {"main.get", "main.other"}} {
		res := mustRun(t, b, Options{}, detector("hot",
			near(evidence.Mutex, "main.set", "main.type"), near(evidence.Dump, "main.set", "main.type"),
			near(evidence.Block, waiter...), near(evidence.Trace, waiter...)))
		if len(res.Findings) != want {
			t.Errorf("waiters at %v: %d findings, want %d", waiter, len(res.Findings), want)
		}
	}
}

// TestWhatDeniesNeedsPower: a reading that shows nothing denies only where the smallest fault that it would
// have shown is no larger than what matters, whether the measure states it or the evidence implies it.
func TestWhatDeniesNeedsPower(t *testing.T) {
	share := func(n float64) evidence.Quantity { return evidence.Quantity{Number: n, Unit: evidence.Share} }
	for _, tt := range []struct {
		name     string
		power    claim.Power
		says     string // in the verdict that denies
		coverage evidence.Coverage
		apart    claim.Text
		verdict  string
		check    string
	}{
		{"a whole dump", claim.Power{}, "a single case", evidence.Whole, "", claim.Clear, claim.Disagrees},
		{"half a dump", claim.Power{}, "", evidence.Partial, "", claim.Undecided, claim.Silent},
		{"a narrowed one", claim.Power{}, "", evidence.Whole, "goroutines without the label are left out", claim.Undecided, claim.Silent},
		{"the least that matters would have shown", claim.Power{Least: share(0.1), Matters: share(0.1), Says: "10 %"}, "10 %", evidence.Whole, "", claim.Clear, claim.Disagrees},
		{"it would not", claim.Power{Least: share(0.11), Matters: share(0.1), Says: "11 %"}, "11 %", evidence.Whole, "", claim.Undecided, claim.Silent},
		{"power over what was read in part", claim.Power{Least: share(0.1), Matters: share(0.1), Says: "10 %"}, "10 %", evidence.Partial, "", claim.Undecided, claim.Silent},
	} {
		b := bundle(evidence.Block, evidence.Dump)
		b.Exhibits[1].Coverage, b.Exhibits[1].Apart = tt.coverage, tt.apart
		denies := claim.Measure{Kind: evidence.Dump, Doc: "test", Run: func(*claim.Input) claim.Reading { return claim.Reading{Says: "nothing", Power: tt.power} }}
		res := mustRun(t, b, Options{}, detector("d", silent(evidence.Block), denies), detector("e", shows(evidence.Block, claim.Warning, "main.f"), denies))
		if v := res.Verdicts[0]; v.Result != tt.verdict || tt.verdict == claim.Clear && !strings.Contains(v.Why.String(), tt.says) {
			t.Errorf("%s: %+v, want %s", tt.name, v, tt.verdict)
		}
		if c := res.Findings[0].Checks[1]; c.Result != tt.check {
			t.Errorf("%s: %+v, want %s", tt.name, c, tt.check)
		}
	}
}

// TestPlainFacts: what merely says where something is, no other kind raises, and it is joined to nothing.
func TestPlainFacts(t *testing.T) {
	fact := func(plain bool) claim.Measure {
		return claim.Measure{Kind: evidence.CPU, Doc: "test", Run: func(in *claim.Input) claim.Reading {
			c := candidate(in.Exhibits[0].ID, claim.Info, "main.f")
			c.Plain = plain
			return claim.Reading{Candidates: []claim.Candidate{c}}
		}}
	}
	raises := claim.Measure{Kind: evidence.Trace, Doc: "test", Run: func(in *claim.Input) claim.Reading {
		c := candidate(in.Exhibits[0].ID, claim.NoSeverity, "")
		c.Raises = claim.Warning
		return claim.Reading{Silent: "it names no place", Candidates: []claim.Candidate{c}}
	}}
	for plain, want := range map[bool]claim.Severity{true: claim.Info, false: claim.Warning} {
		res := mustRun(t, bundle(evidence.CPU, evidence.Trace), Options{}, detector("d", fact(plain), raises), detector("e", shows(evidence.CPU, claim.Warning, "main.f")))
		i := slices.IndexFunc(res.Findings, func(f claim.Finding) bool { return f.Detector == "d" })
		if res.Findings[i].Severity != want {
			t.Errorf("plain %v: %s, want %s", plain, res.Findings[i].Severity, want)
		}
		if joined := len(res.Chains) == 1; joined == plain {
			t.Errorf("plain %v: %d chains", plain, len(res.Chains))
		}
	}
}

// TestPlainFactsComeLast: what was judged opens the report, however small its share and its confidence.
func TestPlainFactsComeLast(t *testing.T) {
	says := func(id string, plain, thin bool, share float64) *claim.Detector {
		return detector(id, claim.Measure{Kind: evidence.CPU, Doc: "test", Run: func(in *claim.Input) claim.Reading {
			c := candidate(in.Exhibits[0].ID, claim.Info, "main."+id)
			c.Plain, c.Thin, c.Share = plain, thin, share
			return claim.Reading{Candidates: []claim.Candidate{c}}
		}})
	}
	res := mustRun(t, bundle(evidence.CPU), Options{}, says("fact", true, false, 1), says("judged", false, true, 0.1))
	if len(res.Chains) != 2 || res.Chains[0].Root != "f1" || res.Findings[0].Detector != "judged" {
		t.Errorf("%+v opens, %+v", res.Chains[0], res.Findings[0])
	}
}

// TestCauseAsLargeAsItsEffect holds what explains apart from what adds, at the limit.
func TestCauseAsLargeAsItsEffect(t *testing.T) {
	part := func(share float64, whole claim.Text, severity claim.Severity) claim.Measure {
		return claim.Measure{Kind: evidence.CPU, Doc: "test", Run: func(in *claim.Input) claim.Reading {
			c := candidate(in.Exhibits[0].ID, severity, "main.f")
			c.Facts[0].Value, c.Facts[0].Of = evidence.Quantity{Number: share, Unit: evidence.Share}, claim.PartOf(evidence.Of(1000, evidence.Count), whole)
			return claim.Reading{Candidates: []claim.Candidate{c}}
		}}
	}
	for _, tt := range []struct {
		name   string
		share  float64
		whole  claim.Text
		want   string
		isRoot bool
	}{
		{"half of it", 0.45, "all CPU samples", claim.Explains, true},
		{"less than half of it", 0.44, "all CPU samples", claim.AddsTo, false},
		{"a part of something else", 0.05, "all bytes", claim.Explains, true},
	} {
		res := mustRun(t, bundle(evidence.CPU), Options{}, detector("slice-regrowth", part(tt.share, tt.whole, claim.Warning)), detector("cpu-hotspot", part(0.9, "all CPU samples", claim.Warning)))
		if len(res.Chains) != 1 || !slices.ContainsFunc(res.Chains[0].Links, func(l claim.Link) bool { return l.Relation == tt.want }) {
			t.Errorf("%s: %+v, want %s", tt.name, res.Chains, tt.want)
			continue
		}
		i := slices.IndexFunc(res.Findings, func(f claim.Finding) bool { return f.ID == res.Chains[0].Root })
		if root := res.Findings[i].Detector == "slice-regrowth"; root != tt.isRoot && tt.want == claim.Explains {
			t.Errorf("%s: the root is %s", tt.name, res.Findings[i].Detector)
		}
		if tt.want == claim.AddsTo && slices.ContainsFunc(res.Chains[0].Links, func(l claim.Link) bool { return l.Relation == claim.Explains }) {
			t.Errorf("%s: it explains as well", tt.name)
		}
	}
}
