package detect

import (
	"strings"
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/exectrace"
)

const mb = 1 << 20

// kept is n MB in 64 KB objects that a function allocated and that are all in use, of as many allocated.
func kept(n int64, names ...string) row { return objects(64<<10, 16*n, 16*n, names...) }

// churned is n MB in use of many more allocated.
func churned(n, allocated int64, names ...string) row {
	return objects(64<<10, 16*allocated, 16*n, names...)
}

func heapAt(second int, rows ...row) *evidence.Exhibit {
	return profiled(evidence.Heap, second, rows...)
}

// floors is a trace whose heap after each collection has these sizes in MB.
func floors(sizes ...uint64) *evidence.Exhibit {
	t := &exectrace.Timeline{}
	for i, s := range sizes {
		from := time.Duration(i) * time.Second / time.Duration(len(sizes))
		t.Heap = append(t.Heap, exectrace.HeapPoint{At: from, Live: 3 * s * mb}, exectrace.HeapPoint{At: from + time.Millisecond, Live: s * mb, AfterGC: true})
		t.Cycles = append(t.Cycles, exectrace.Interval{From: from, To: from + time.Millisecond})
	}
	return traced(t)
}

func TestHeapGrowth(t *testing.T) {
	expectAll(t, HeapGrowth, []expect{
		{"one snapshot", of(heapAt(0, kept(100, "main.f"))), claim.Undecided, ""},
		{"just below the least growth", of(heapAt(0, kept(20, "main.f")), heapAt(600, kept(27, "main.f"))), claim.Clear, ""},
		{"at the least growth", of(heapAt(0, kept(20, "main.f")), heapAt(600, kept(28, "main.f"))), claim.Found, "warning main.f"},
		{"below a twentieth of what the site held", of(heapAt(0, kept(200, "main.f")), heapAt(600, kept(209, "main.f"))), claim.Clear, ""},
		{"hardly any of the whole heap", of(heapAt(0, kept(20, "main.f"), kept(500, "main.g")), heapAt(600, kept(40, "main.f"), kept(500, "main.g"))), claim.Found, "info main.f"},
		{"standard library code is its caller's", of(heapAt(0, kept(20, "strings.(*Builder).grow", "main.f")), heapAt(600, kept(90, "strings.(*Builder).grow", "main.f"))), claim.Found, "warning main.f"},
		{"a busy cache at its cap", of(heapAt(0, churned(100, 1000, "main.f")), heapAt(600, churned(107, 9000, "main.f"))), claim.Clear, ""},
		{"more, though within the sampling error", of(heapAt(0, churned(100, 1000, "main.f")), heapAt(600, churned(112, 9000, "main.f"))), claim.Undecided, ""},
		{"the recorder's own buffers", of(heapAt(0, kept(1, "main.f")), heapAt(600, kept(1, "main.f"), kept(40, "runtime/pprof.StartCPUProfile", "net/http/pprof.Profile"))), claim.Clear, ""},
		{"code that runs under pprof.Do is no recorder", of(heapAt(0, kept(20, "main.f", "runtime/pprof.Do")), heapAt(600, kept(90, "main.f", "runtime/pprof.Do"))), claim.Found, "warning main.f"},
		{"another run of the program", of(heapAt(0, churned(20, 900, "main.f")), heapAt(600, churned(90, 100, "main.f"))), claim.Undecided, ""},
		{"a heap that shrinks", of(heapAt(0, kept(100, "main.f")), heapAt(600, churned(40, 100, "main.f"))), claim.Clear, ""},
		{"a warm-up that ended", of(heapAt(0, kept(20, "main.f")), heapAt(600, kept(90, "main.f")), heapAt(1200, churned(92, 200, "main.f"))), claim.Found, "info main.f"},
		{"growth over three snapshots", of(heapAt(0, kept(20, "main.f")), heapAt(600, kept(90, "main.f")), heapAt(1200, kept(160, "main.f"))), claim.Found, "warning main.f"},
		{"a saw", of(heapAt(0, kept(20, "main.f")), heapAt(600, kept(200, "main.f")), heapAt(1200, churned(60, 240, "main.f"))), claim.Clear, ""},
		{"garbage beside it blurs nothing", of(heapAt(0, objects(64, 200_000, 0, "main.garbage", "main.f"), objects(64, 100_000, 100_000, "main.f")), heapAt(600, objects(64, 9_000_000, 0, "main.garbage", "main.f"), objects(64, 300_000, 300_000, "main.f"))), claim.Found, "warning main.f"},
		{"floors without direction", of(floors(50, 60, 50, 60, 50, 60, 50, 60)), claim.Undecided, ""},
		{"floors that rise", of(floors(50, 52, 54, 58, 61, 64, 68)), claim.Found, "info"},
		{"floors that rise by little", of(floors(50, 51, 52, 53, 54, 55)), claim.Undecided, ""},
		{"too few floors", of(floors(50, 60, 70, 80, 90)), claim.Undecided, ""},
	})
}

// TestHeapGrowthOfASlice checks that a slice that is only appended to is told as one.
func TestHeapGrowthOfASlice(t *testing.T) {
	f := judge(t, HeapGrowth, heapAt(0, quarters(25<<20)...), heapAt(600, quarters(64<<20)...)).all.Findings
	if len(f) != 1 || f[0].Variant != "slice" {
		t.Errorf("%+v", f)
	}
	f = judge(t, HeapGrowth, heapAt(0, swiss(200)...), heapAt(600, swiss(700)...)).all.Findings
	if len(f) != 1 || f[0].Variant != "" {
		t.Errorf("the tables of a map: %+v", f)
	}
}

// TestHeapDifference checks that a profile over ?seconds=N gives a rate and is
// not taken for a state.
func TestHeapDifference(t *testing.T) {
	diff := func() *evidence.Exhibit {
		e := heapAt(0, churned(300, 2000, "main.f"), objects(18432, 60_000, 30_000, "main.g:3"))
		e.Duration, e.Profile.Duration = 10*time.Second, 10*time.Second
		return e
	}
	for d, want := range map[*claim.Detector]string{HeapGrowth: claim.Undecided, MapGrowth: claim.Undecided, AllocHotspot: claim.Found} {
		if got := judge(t, d, diff()); got.result != want {
			t.Errorf("%s: %s %q, want %s", d.ID, got.result, got.worst, want)
		}
	}
}

// TestHeapGrowthBelowTheProgram checks that what libraries keep for one function of the
// program is one finding there with the sum, and that nothing else is added up.
func TestHeapGrowthBelowTheProgram(t *testing.T) {
	const module = "github.com/x/metric@v1.2.3/vec.go"
	library := func(r row) row {
		for i := range r.stack {
			if strings.HasPrefix(r.stack[i].Function, "github.com/") {
				r.stack[i].File = module
			}
		}
		return r
	}
	two := func(histograms, labels int64, caller string, outer ...string) []*evidence.Exhibit {
		rows := func(h, l int64) []row {
			return []row{
				library(kept(h, append([]string{"github.com/x/metric.newHistogram", "github.com/x/metric.(*Vec).With", "main.(*API).observe"}, outer...)...)),
				library(kept(l, append([]string{"github.com/x/metric.MakeLabelPairs", "github.com/x/metric.(*Vec).With", caller}, outer...)...)),
			}
		}
		return of(heapAt(0, rows(10, 10)...), heapAt(600, rows(10+histograms, 10+labels)...))
	}
	const observe = "main.(*API).observe"
	expectAll(t, HeapGrowth, []expect{
		{"two libraries' functions below the limit, together at it", two(4, 4, observe), claim.Found, "warning " + observe},
		{"together below it", two(4, 3, observe), claim.Clear, ""},
		{"for two functions of the program", two(4, 4, "main.(*API).other"), claim.Clear, ""},
		{"nobody of the program but main", two(8, 4, "main.main", "main.main"), claim.Found, "warning " + observe},
		{"a library's goroutine of its own", of(heapAt(0, library(kept(10, "github.com/x/metric.(*Agent).loop"))), heapAt(600, library(kept(90, "github.com/x/metric.(*Agent).loop")))), claim.Found, "warning github.com/x/metric.(*Agent).loop"},
		{"handlers are not their middleware", of(heapAt(0, library(kept(10, "github.com/x/metric.(*Vec).With", "net/http.HandlerFunc.ServeHTTP", "main.withLogging.func1"))), heapAt(600, library(kept(90, "github.com/x/metric.(*Vec).With", "net/http.HandlerFunc.ServeHTTP", "main.withLogging.func1")))), claim.Found, "warning main.withLogging"},
	})
	f := judge(t, HeapGrowth, two(26, 9, observe)...).all.Findings
	if len(f) != 1 || f[0].Evidence[0].Value.Number != 35*mb {
		t.Errorf("want one finding of 35 MiB: %+v", f)
	}
}

func TestHeapGrowthConfidence(t *testing.T) {
	two := of(heapAt(0, kept(20, "main.f")), heapAt(600, kept(90, "main.f")))
	for name, c := range map[string]struct {
		exhibits []*evidence.Exhibit
		want     claim.Confidence
	}{
		"two snapshots":                      {two, claim.Low},
		"two snapshots and a rising trace":   {append(of(floors(50, 52, 54, 58, 61, 64, 68)), two...), claim.Medium},
		"two snapshots and a trace too thin": {append(of(floors(50, 60)), two...), claim.Low},
		"three snapshots":                    {of(heapAt(0, kept(20, "main.f")), heapAt(600, kept(90, "main.f")), heapAt(1200, kept(160, "main.f"))), claim.Medium},
	} {
		if got := judge(t, HeapGrowth, c.exhibits...).all.Findings; len(got) != 1 || got[0].Confidence != c.want {
			t.Errorf("%s: %v, want one finding of %s confidence", name, got, c.want)
		}
	}
}
