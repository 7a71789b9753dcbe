package evidence

import (
	"slices"
	"strings"
	"testing"
	"time"

	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/runtimelog"
	"inquest/internal/evidence/stack"
)

var began = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// focusCase holds one exhibit of each sort: a CPU profile and a dump with labels,
// a heap profile, a trace with tasks, a gctrace of an hour.
func focusCase() *Bundle {
	sample := func(value int64, tenant string) pprofile.Sample {
		s := pprofile.Sample{Stack: stack.Stack{{Function: "main.f"}}, Values: []int64{value}}
		if tenant != "" {
			s.Labels = map[string][]string{"tenant": {tenant}}
		}
		return s
	}
	gc := &runtimelog.GC{Log: runtimelog.Log{Start: began.Add(-time.Hour)}}
	for m := range 60 {
		at := time.Duration(m) * time.Minute
		gc.Windows = append(gc.Windows, runtimelog.GCWindow{From: at, To: at + 30*time.Second, Cycles: 2, Live: int64(m)})
	}
	gc.Total = runtimelog.GCWindow{To: time.Hour, Cycles: 120}
	gc.Longest = []runtimelog.Cycle{{At: 3 * time.Minute}, {At: 55 * time.Minute}}
	b := &Bundle{Exhibits: []*Exhibit{
		{ID: "cpu", Kind: CPU, CapturedAt: began, Duration: 10 * time.Second, Content: &pprofile.Profile{
			Kind: "cpu", Columns: []pprofile.Column{{Name: "cpu"}}, Samples: []pprofile.Sample{sample(30, "acme"), sample(60, "other"), sample(10, "")}}},
		{ID: "heap", Kind: Heap, CapturedAt: began.Add(20 * time.Second), Content: &pprofile.Profile{
			Columns: []pprofile.Column{{Name: "inuse_space"}}, Samples: []pprofile.Sample{sample(1, "")}}},
		{ID: "trace", Kind: Trace, CapturedAt: began.Add(30 * time.Second), Duration: 5 * time.Second, Content: &exectrace.Timeline{
			Tasks: []exectrace.Task{{Name: "order", Count: 3}, {Name: "report", Count: 9}}}},
		{ID: "dump", Kind: Dump, CapturedAt: began.Add(40 * time.Second), Content: &dump.Dump{Goroutines: []dump.Goroutine{
			{ID: 1}, {ID: 2, Labels: map[string]string{"tenant": "acme"}}, {ID: 3, Labels: map[string]string{"tenant": "other"}}}}},
		{ID: "gctrace", Kind: GCTrace, CapturedAt: began.Add(-time.Hour), Duration: time.Hour, Content: gc},
		{ID: "bad", Kind: Unknown, Coverage: None},
	}}
	for _, e := range b.Exhibits {
		if e.Coverage == "" {
			e.Coverage, e.Path = Whole, e.ID
		}
	}
	return b
}

func TestNarrow(t *testing.T) {
	window := func(s string) Focus {
		from, to, err := ParseWindow(s)
		if err != nil {
			t.Fatal(err)
		}
		return Focus{From: from, To: to}
	}
	for name, c := range map[string]struct {
		focus Focus
		want  string // result by exhibit, in order
		says  string // must be said of one of them
	}{
		"label":                      {Focus{Label: [2]string{"tenant", "acme"}}, "restricted, left out, left out, restricted, left out", "30 % of its cpu"},
		"label of a dump":            {Focus{Label: [2]string{"tenant", "acme"}}, "restricted, left out, left out, restricted, left out", "1 of 3 goroutines"},
		"task":                       {Focus{Task: "order"}, "kept, kept, restricted, kept, kept", "1 other task type left out; no goroutine was in a region"},
		"offsets count from a trace": {window("1s,2s"), "left out, left out, kept, left out, left out", "cannot be cut"},
		"before the trace":           {window(",0s"), "kept, kept, kept, left out, kept", ""},
		"wall clock":                 {window("2026-05-04T12:00:15Z,2026-05-04T12:00:25Z"), "left out, kept, left out, left out, left out", "outside of the window"},
		"a part of a log":            {window("2026-05-04T11:10:00Z,2026-05-04T11:19:59Z"), "left out, left out, left out, left out, restricted", "20 of 120 collections"},
		"an end alone":               {window("2026-05-04T12:00:36Z,"), "left out, left out, left out, kept, left out", ""},
	} {
		b := focusCase()
		narrowed, became, err := c.focus.Narrow(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var results, says []string
		for _, f := range became {
			results, says = append(results, f.Result), append(says, f.Says.String())
			if kept := narrowed.Exhibit(f.Exhibit) != nil; kept == (f.Result == LeftOut) {
				t.Errorf("%s: %s is %s, in the case: %v", name, f.Exhibit, f.Result, kept)
			}
			if f.Result != Kept && f.Says == "" {
				t.Errorf("%s: %s %s without a word", name, f.Exhibit, f.Result)
			}
		}
		if got := strings.Join(results, ", "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
		if !strings.Contains(strings.Join(says, "\n"), c.says) {
			t.Errorf("%s: nobody says %q: %q", name, c.says, says)
		}
		if narrowed.Exhibit("bad") == nil {
			t.Errorf("%s: what could not be read is not listed any more", name)
		}
		// The case itself is as it was.
		if b.Exhibits[0].Profile().Total(0) != 100 || len(b.Exhibits[2].Trace().Tasks) != 2 || len(b.Exhibits[3].Dump().Goroutines) != 3 || len(b.Exhibits[4].GC().Windows) != 60 {
			t.Errorf("%s: narrowing changed the case it was given", name)
		}
	}
}

func TestNarrowedEvidenceHoldsWhatIsInFocusAlone(t *testing.T) {
	from, to, _ := ParseWindow("2026-05-04T11:10:00Z,2026-05-04T11:19:59Z")
	b, _, err := Focus{From: from, To: to}.Narrow(focusCase())
	if err != nil {
		t.Fatal(err)
	}
	gc := b.Exhibit("gctrace").GC()
	if gc.Total.Cycles != 20 || gc.Total.From != 10*time.Minute || gc.Windows[0].Live != 10 || len(gc.Longest) != 0 {
		t.Errorf("collections from minute 10 to 19: %+v", gc.Total)
	}
	b, _, err = Focus{Label: [2]string{"tenant", "acme"}}.Narrow(focusCase())
	if err != nil {
		t.Fatal(err)
	}
	if p := b.Exhibit("cpu").Profile(); p.Total(0) != 30 {
		t.Errorf("CPU of one tenant: %d of 30", p.Total(0))
	}
	if e := b.Exhibit("dump"); len(e.Dump().Goroutines) != 1 || e.Dump().Goroutines[0].ID != 2 || e.Coverage != Partial {
		t.Errorf("goroutines of one tenant, of a dump that holds others: %+v", e.Dump().Goroutines)
	}
}

func TestNarrowToNothing(t *testing.T) {
	untimed := &Bundle{Exhibits: []*Exhibit{{Kind: Heap, Coverage: Whole, Content: &pprofile.Profile{}}}}
	late := Focus{From: Moment{Wall: began.Add(24 * time.Hour), Set: true}}
	for name, c := range map[string]struct {
		focus Focus
		in    *Bundle
		want  string
	}{
		"no such value":   {Focus{Label: [2]string{"tenant", "none"}}, focusCase(), "the most frequent labels are tenant=acme, tenant=other"},
		"no such task":    {Focus{Task: "none"}, focusCase(), "the most frequent types are report, order"},
		"another day":     {late, focusCase(), "the evidence is from 2026-05-04T11:00:00Z to 2026-05-04T12:00:40Z"},
		"no time at all":  {late, untimed, "no evidence carries a time"},
		"no label at all": {Focus{Label: [2]string{"a", "b"}}, untimed, "nothing carries the label a=b"},
	} {
		if _, _, err := c.focus.Narrow(c.in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want it to say %q", name, err, c.want)
		}
	}
	b := focusCase()
	if same, became, err := (Focus{}).Narrow(b); same != b || became != nil || err != nil {
		t.Error("no focus changes the case")
	}
}

// Traces are cut as they are read; one that tells no time of day is cut all the same.
func TestFocusOnATrace(t *testing.T) {
	const traces = "../../internal/evidence/exectrace/testdata/versions/"
	narrow := func(f Focus, paths ...string) (*Bundle, []Focused) {
		t.Helper()
		b, err := Open(t.Context(), paths, Options{Focus: f})
		if err != nil {
			t.Fatal(err)
		}
		b, became, err := f.Narrow(b)
		if err != nil {
			t.Fatal(err)
		}
		return b, became
	}
	window := func(s string) Focus {
		from, to, err := ParseWindow(s)
		if err != nil {
			t.Fatal(err)
		}
		return Focus{From: from, To: to}
	}
	for _, name := range []string{"long1.26.trace", "go1.22.trace", "go1.21.trace"} {
		b, became := narrow(window("100ms,250ms"), traces+name)
		e := b.Of(Trace)[0]
		if e.Duration != 150*time.Millisecond || e.Trace().Duration != e.Duration || e.Coverage != Whole || became[0].Result != Restricted || !strings.Contains(became[0].Says.String(), "150 ms from offset 100 ms on") {
			t.Errorf("%s: %v, %+v", name, e.Duration, became)
		}
		b, became = narrow(window("0s,1h"), traces+name)
		if e := b.Of(Trace)[0]; became[0].Result != Kept || e.Trace().Narrowed.Of != 0 {
			t.Errorf("%s: a window of all: %+v", name, became)
		}
		out := window("1h,")
		all, err := Open(t.Context(), []string{traces + name}, Options{Focus: out})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := out.Narrow(all); err == nil || !strings.Contains(err.Error(), "nothing is in the window") {
			t.Errorf("%s: a window behind the end: %v", name, err)
		}
	}
	// The wall clock and the offset of one moment cut the same.
	whole, _ := narrow(Focus{}, traces+"long1.26.trace")
	start := whole.Of(Trace)[0].CapturedAt
	wall := Focus{From: Moment{Wall: start.Add(2 * time.Second), Set: true}, To: Moment{Wall: start.Add(3 * time.Second), Set: true}}
	x, _ := narrow(wall, traces+"long1.26.trace")
	y, _ := narrow(window("2s,3s"), traces+"long1.26.trace")
	a, z := x.Of(Trace)[0], y.Of(Trace)[0]
	if a.Trace().Events != z.Trace().Events || a.Trace().Events == 0 || a.Trace().Narrowed != z.Trace().Narrowed || !a.CapturedAt.Equal(start.Add(2*time.Second)) {
		t.Errorf("by the clock %+v, by offset %+v", a.Trace().Narrowed, z.Trace().Narrowed)
	}
	// Offsets count from the first of several traces.
	both, _ := narrow(window("0s,100h"), traces+"long1.26.trace", traces+"flight.trace")
	if len(both.Of(Trace)) != 2 {
		t.Fatalf("%d traces", len(both.Of(Trace)))
	}
	first, later := both.Of(Trace)[0], both.Of(Trace)[1]
	gap := later.CapturedAt.Sub(first.CapturedAt)
	part, _ := narrow(window((gap+50*time.Millisecond).String()+",100h"), traces+"long1.26.trace", traces+"flight.trace")
	if got := part.Of(Trace); len(got) != 1 || got[0].Trace().Narrowed.From != 50*time.Millisecond {
		t.Errorf("50 ms into the trace that begins %v after the other: %d traces", gap, len(got))
	}
	// What goroutines did inside the regions of tasks, and that it denies nothing of the rest.
	task := Focus{Task: "report"}
	b, became := narrow(task, "../../fixtures/processor/reports-coldcache/trace.out")
	e := b.Of(Trace)[0]
	if e.Trace().InFocus == 0 || e.Apart == "" || e.Coverage != Whole || !strings.Contains(became[0].Says.String(), "regions of such tasks") {
		t.Errorf("%d regions, %q, %+v", e.Trace().InFocus, e.Apart, became)
	}
}

func TestParseWindow(t *testing.T) {
	for _, bad := range []string{"", ",", "1s", "1s,2", "2s,1s", "-1s,2s", "1s,2026-05-04T12:00:00Z", "noon,", "2026-05-04T12:00:00Z,2026-05-03T12:00:00Z"} {
		if _, _, err := ParseWindow(bad); err == nil {
			t.Errorf("%q was taken for a window", bad)
		}
	}
	var got []string
	for _, good := range []string{"1.2s,3s", ",3s", "1m,", "2026-05-04T12:00:00Z,2026-05-04T14:00:00+02:00", " 1s , 2s "} {
		from, to, err := ParseWindow(good)
		if err != nil {
			t.Error(err)
		}
		got = append(got, from.String()+" "+to.String())
	}
	want := []string{"1.2s 3s", " 3s", "1m0s ", "2026-05-04T12:00:00Z 2026-05-04T14:00:00+02:00", "1s 2s"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
