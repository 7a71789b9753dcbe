package compare

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
)

// cpuRun is a CPU profile of 100 s: ticks by stack, written outermost>...>leaf.
func cpuRun(id string, ticks ...any) *evidence.Exhibit {
	p := &pprofile.Profile{Kind: "cpu", Columns: []pprofile.Column{{Name: "samples", Unit: "count"}, {Name: "cpu", Unit: "nanoseconds"}},
		Duration: 100 * time.Second, Period: 10e6, PeriodUnit: "nanoseconds"}
	for i := 0; i < len(ticks); i += 2 {
		var s stack.Stack
		for _, f := range strings.Split(ticks[i].(string), ">") {
			s = append(stack.Stack{{Function: f, File: "x.go", Line: 1}}, s...)
		}
		n := int64(ticks[i+1].(int))
		p.Samples = append(p.Samples, pprofile.Sample{Stack: s, Values: []int64{n, n * 10e6}})
	}
	return &evidence.Exhibit{ID: id, Path: id, SHA256: id, Kind: evidence.CPU, Coverage: evidence.Whole, Content: p}
}

func sideOf(ops float64, runs ...*evidence.Exhibit) *Side { return &Side{Exhibits: runs, Ops: ops} }

func cpuMeasure(t *testing.T, r *Result) Measure {
	t.Helper()
	for _, k := range r.Kinds {
		if k.Kind == string(evidence.CPU) {
			return k.Measures[0]
		}
	}
	t.Fatalf("no CPU time in %+v", r)
	return Measure{}
}

func counted(m Measure) string {
	var out []string
	for _, c := range m.Changes {
		if c.Counts {
			out = append(out, c.Function)
		}
	}
	return strings.Join(out, " ")
}

// TestOtherPeriod holds that profiles sampled at another rate are refused with the reason,
// on either side: ticks that a kernel cannot deliver are lost, so time does not make up for it.
func TestOtherPeriod(t *testing.T) {
	at := func(id string, period int64) *evidence.Exhibit {
		e := cpuRun(id, "main.main>main.parse", 4000, "main.main>main.pack", 6000)
		e.Profile().Period = period
		return e
	}
	for _, c := range []struct {
		name          string
		before, after []*evidence.Exhibit
		why           string
	}{
		{"the same", []*evidence.Exhibit{at("e1", 2e6)}, []*evidence.Exhibit{at("e1x", 2e6)}, ""},
		{"the other side", []*evidence.Exhibit{at("e1", 10e6)}, []*evidence.Exhibit{at("e1x", 2e6)}, "e1 of the before side was sampled every 10 ms and e1x of the after side every 2 ms"},
		{"one of a side", []*evidence.Exhibit{at("e1", 10e6), at("e2", 4e6)}, []*evidence.Exhibit{at("e1x", 10e6)}, "e1 of the before side was sampled every 10 ms and e2 of the before side every 4 ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := Compare(sideOf(0, c.before...), sideOf(0, c.after...), Options{}).Kinds[0]
			if k.Why.String() != c.why && c.why != "" || (k.Verdict == Inconclusive) != (c.why != "") || (k.Record == "") != (c.why == "") {
				t.Errorf("%s: %q, %q", k.Verdict, k.Why, k.Record)
			}
		})
	}
}

// TestJudge compares pairs of profiles of which the answer is known.
func TestJudge(t *testing.T) {
	const main = "main.main>main.serve>"
	for _, c := range []struct {
		name          string
		before, after []any
		ops           float64
		verdict       Outcome
		counts        string // functions
		moved         string // from>to
	}{
		{"nothing", []any{main + "main.parse", 4000, main + "main.pack", 6000}, []any{main + "main.parse", 4050, main + "main.pack", 5960}, 1, Pass, "", ""},
		{"one function", []any{main + "main.parse", 4000, main + "main.pack", 6000}, []any{main + "main.parse", 6000, main + "main.pack", 6000}, 1, Regression, "main.parse", ""},
		{"the deepest is to blame", []any{main + "main.parse>main.lex", 4000, main + "main.pack", 6000}, []any{main + "main.parse>main.lex", 7000, main + "main.pack", 6000}, 1, Regression, "main.lex", ""},
		{"better", []any{main + "main.parse", 4000, main + "main.pack", 6000}, []any{main + "main.parse", 2000, main + "main.pack", 6000}, 1, Improvement, "main.parse", ""},
		{"taken into a function of its own", []any{main + "main.parse", 4000, main + "main.pack", 6000}, []any{main + "main.parse", 2000, main + "main.parse>main.lex", 2000, main + "main.pack", 6000}, 1, Pass, "", "main.parse>main.lex"},
		{"under another name", []any{main + "main.parse", 4000, main + "main.pack", 6000}, []any{main + "main.read", 4000, main + "main.pack", 6000}, 1, Pass, "", "main.parse>main.read"},
		{"moved and dearer", []any{main + "main.parse", 4000, main + "main.pack", 6000}, []any{main + "main.read", 7000, main + "main.pack", 6000}, 1, Regression, "main.serve", ""},
		// One that got better is no excuse for another that got as much worse.
		{"a neighbour that fell as much", []any{main + "main.parse", 4000, main + "main.pack", 6000}, []any{main + "main.parse", 4800, main + "main.pack", 5200}, 1, Regression, "main.parse main.pack", ""},
		{"all by the same factor, work unknown", []any{main + "main.a", 4000, main + "main.b", 3000, main + "main.c", 3000}, []any{main + "main.a", 6000, main + "main.b", 4500, main + "main.c", 4500}, 0, Inconclusive, "", ""},
		{"all by the same factor, same work", []any{main + "main.a", 4000, main + "main.b", 3000, main + "main.c", 3000}, []any{main + "main.a", 6000, main + "main.b", 4500, main + "main.c", 4500}, 1, Regression, "main.a main.b main.c", ""},
		// The standard library took over what the function did itself.
		{"another way of the same cost", []any{main + "main.parse", 4000, main + "main.pack", 6000}, []any{main + "main.parse", 2000, main + "main.parse>strings.Split", 2000, main + "main.pack", 6000}, 1, Pass, "", ""},
		{"dearer in the standard library", []any{main + "main.parse", 4000, main + "main.pack", 6000}, []any{main + "main.parse", 4000, main + "main.parse>strings.Split", 2000, main + "main.pack", 6000}, 1, Regression, "main.parse", ""},
		{"too small to count", []any{main + "main.parse", 100, main + "main.pack", 9900}, []any{main + "main.parse", 300, main + "main.pack", 9900}, 1, Pass, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := cpuMeasure(t, Compare(sideOf(c.ops, cpuRun("a", c.before...)), sideOf(c.ops, cpuRun("b", c.after...)), Options{}))
			if m.Verdict != c.verdict || counted(m) != c.counts {
				t.Errorf("%s (%s), counts %q; want %s, %q", m.Verdict, m.Why, counted(m), c.verdict, c.counts)
			}
			moved := ""
			for _, mv := range m.Moved {
				moved += mv.From + ">" + mv.To
			}
			if moved != c.moved {
				t.Errorf("moved %q, want %q", moved, c.moved)
			}
		})
	}
}

// TestPlaces takes the place in the source from the after side: that is the code at hand.
func TestPlaces(t *testing.T) {
	a, b := cpuRun("a", "main.main>main.f", 4000), cpuRun("b", "main.main>main.f", 8000)
	b.Profile().Samples[0].Stack[0].File, b.Profile().Samples[0].Stack[0].Line = "new.go", 7
	m := cpuMeasure(t, Compare(sideOf(1, a), sideOf(1, b), Options{}))
	if c := m.Changes[0]; c.File != "new.go" || c.Line != 7 {
		t.Errorf("%s:%d, want new.go:7", c.File, c.Line)
	}
}

// TestSavedSaysPer compares with a saved report, of which the rate must be named as with profiles.
func TestSavedSaysPer(t *testing.T) {
	before := &Side{Saved: []Saved{{Exhibit: "e1", Kind: evidence.CPU, Name: "CPU time", Duration: 100 * time.Second, Total: 100e9, Events: 10000, Sites: map[string]float64{"main.f": 100e9}}}}
	m := cpuMeasure(t, Compare(before, sideOf(0, cpuRun("b", "main.main>main.f", 10000)), Options{}))
	if m.Per != "second" || m.Verdict != Pass {
		t.Errorf("per %q, %s: %s", m.Per, m.Verdict, m.Why)
	}
}

// TestLikeliest attributes a rise of the whole that no function alone proves.
func TestLikeliest(t *testing.T) {
	runs := func(name string, total [3]int, parse [3]int) *Side {
		s := &Side{Ops: 1}
		for i, n := range parse {
			s.Exhibits = append(s.Exhibits, cpuRun(fmt.Sprint(name, i), "main.main>main.parse", n, "main.main>main.pack", total[i]-n))
		}
		return s
	}
	// The totals are wholly apart; those of parse overlap.
	m := cpuMeasure(t, Compare(runs("a", [3]int{1000, 1004, 996}, [3]int{300, 330, 360}), runs("b", [3]int{1060, 1064, 1056}, [3]int{350, 420, 400}), Options{}))
	if m.Verdict != Regression || counted(m) != "main.parse" || !strings.Contains(m.Changes[0].Note.String(), "likely here") {
		t.Errorf("%s (%s), %q, %+v", m.Verdict, m.Why, counted(m), m.Changes)
	}
}

// heapAt is a heap profile of one process: bytes in use and allocated since the start, by function.
func heapAt(id string, at time.Duration, inUse, allocated map[string]int64) *evidence.Exhibit {
	p := &pprofile.Profile{Kind: "heap", Period: 512 << 10, PeriodUnit: "bytes", Columns: []pprofile.Column{
		{Name: "alloc_objects", Unit: "count"}, {Name: "alloc_space", Unit: "bytes"}, {Name: "inuse_objects", Unit: "count"}, {Name: "inuse_space", Unit: "bytes"}}}
	for _, f := range []string{"main.a", "main.b", "main.c"} {
		p.Samples = append(p.Samples, pprofile.Sample{Stack: stack.Stack{{Function: f}}, Values: []int64{allocated[f] / 1024, allocated[f], inUse[f] / 1024, inUse[f]}, Size: 1024})
	}
	return &evidence.Exhibit{ID: id, SHA256: id, Kind: evidence.Heap, Coverage: evidence.Whole, Content: p, CapturedAt: time.Unix(1000, 0).Add(at)}
}

func TestTrends(t *testing.T) {
	const mb = 1 << 20
	alloc := func(n int64) map[string]int64 {
		return map[string]int64{"main.a": n * 100 * mb, "main.b": n * 50 * mb, "main.c": n * 10 * mb}
	}
	use := func(a int64) map[string]int64 { return map[string]int64{"main.a": a * mb, "main.b": 10 * mb} }
	grows := []*evidence.Exhibit{heapAt("h3", 20*time.Second, use(50), alloc(3)), heapAt("h1", 0, use(10), alloc(1)), heapAt("h2", 10*time.Second, use(30), alloc(2))}
	got := trends("after", sideOf(0, grows...))
	if len(got) != 1 {
		t.Fatalf("%d trends", len(got))
	}
	g := got[0]
	if !g.Rising || g.First.Number != 20*mb || g.Last.Number != 60*mb || g.Slope.Number != 2*mb || strings.Join(g.Exhibits, " ") != "h1 h2 h3" {
		t.Errorf("%+v", g)
	}
	if len(g.Sites) != 1 || g.Sites[0].Function != "main.a" {
		t.Errorf("sites %+v", g.Sites)
	}
	level := []*evidence.Exhibit{heapAt("h1", 0, use(50), alloc(1)), heapAt("h2", 10*time.Second, use(40), alloc(2)), heapAt("h3", 20*time.Second, use(70), alloc(3))}
	if got := trends("after", sideOf(0, level...)); len(got) != 1 || got[0].Rising {
		t.Errorf("a heap that fell in between rises: %+v", got)
	}
	// Sums that fall are those of different processes, and two points are no trend.
	other := []*evidence.Exhibit{heapAt("h1", 0, use(10), alloc(3)), heapAt("h2", 10*time.Second, use(30), alloc(1)), heapAt("h3", 20*time.Second, use(50), alloc(2))}
	if got := trends("after", sideOf(0, other...)); got != nil {
		t.Errorf("runs of several processes have a trend: %+v", got)
	}
	if got := trends("after", sideOf(0, grows[:2]...)); got != nil {
		t.Errorf("two profiles have a trend: %+v", got)
	}
}

// TestFindings holds findings that hover at a limit to be no change.
func TestFindings(t *testing.T) {
	finding := func(severity claim.Severity, value float64) claim.Finding {
		return claim.Finding{Fingerprint: "p", Detector: "d", Severity: severity, Confidence: claim.High,
			Checks:   []claim.Check{{Kind: evidence.CPU, Result: claim.Agrees}},
			Evidence: []claim.Fact{{Says: "share", Value: evidence.Quantity{Number: value, Unit: evidence.Share}, Limit: &claim.LimitUse{Name: "min-share"}}}}
	}
	side := func(near claim.Severity, all ...claim.Finding) *Judged {
		j := &Judged{Findings: all, Kinds: []evidence.Kind{evidence.CPU}, Verdicts: []claim.Verdict{{Detector: "d", Result: claim.Clear}}}
		if near > 0 {
			j.Near = map[string]claim.Severity{"p": near}
		}
		return j
	}
	for _, c := range []struct {
		name          string
		before, after *Judged
		verdict       Outcome
		in            string
	}{
		{"new", side(0), side(0, finding(claim.Warning, 0.5)), Regression, "new"},
		{"new, and just below the limit before", side(claim.Warning), side(0, finding(claim.Warning, 0.5)), Pass, "unclear"},
		{"gone", side(0, finding(claim.Warning, 0.5)), side(0), Improvement, "gone"},
		{"gone, and just below the limit after", side(0, finding(claim.Warning, 0.5)), side(claim.Info), Pass, "unclear"},
		{"worse", side(0, finding(claim.Warning, 0.3)), side(0, finding(claim.Critical, 0.6)), Regression, "worse"},
		{"worse by name alone", side(0, finding(claim.Warning, 0.48)), side(0, finding(claim.Critical, 0.51)), Pass, "same"},
		{"worse, and just below the limit before", side(claim.Critical, finding(claim.Warning, 0.3)), side(0, finding(claim.Critical, 0.6)), Pass, "same"},
		{"better", side(0, finding(claim.Critical, 0.6)), side(0, finding(claim.Warning, 0.3)), Improvement, "better"},
		{"better by name alone", side(0, finding(claim.Critical, 0.51)), side(0, finding(claim.Warning, 0.48)), Pass, "same"},
	} {
		k, f, _ := compareFindings(c.before, c.after)
		lists := map[string]int{"new": len(f.New), "gone": len(f.Gone), "worse": len(f.Worse), "better": len(f.Better), "same": len(f.Same), "unclear": len(f.Unclear)}
		if k.Verdict != c.verdict || lists[c.in] != 1 {
			t.Errorf("%s: %s (%s), %v", c.name, k.Verdict, k.Why, lists)
		}
	}
}
