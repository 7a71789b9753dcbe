package memory

import (
	"strings"
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/exectrace"
)

// floors is a trace whose heap after each collection has these sizes in MB.
func floors(sizes ...uint64) *evidence.Exhibit {
	t := &exectrace.Timeline{}
	for i, s := range sizes {
		from := time.Duration(i) * time.Second / time.Duration(len(sizes))
		t.Heap = append(t.Heap, exectrace.HeapPoint{At: from, Live: 3 * s * MB}, exectrace.HeapPoint{At: from + time.Millisecond, Live: s * MB, AfterGC: true})
		t.Cycles = append(t.Cycles, exectrace.Interval{From: from, To: from + time.Millisecond})
	}
	return Traced(t)
}

func TestHeapGrowth(t *testing.T) {
	ExpectAll(t, HeapGrowth, []Expect{
		{"one snapshot", Of(HeapAt(0, Kept(100, "main.f"))), claim.Undecided, ""},
		{"just below the least growth", Of(HeapAt(0, Kept(20, "main.f")), HeapAt(600, Kept(27, "main.f"))), claim.Clear, ""},
		{"at the least growth", Of(HeapAt(0, Kept(20, "main.f")), HeapAt(600, Kept(28, "main.f"))), claim.Found, "warning main.f"},
		{"below a twentieth of what the site held", Of(HeapAt(0, Kept(200, "main.f")), HeapAt(600, Kept(209, "main.f"))), claim.Clear, ""},
		{"hardly any of the whole heap", Of(HeapAt(0, Kept(20, "main.f"), Kept(500, "main.g")), HeapAt(600, Kept(40, "main.f"), Kept(500, "main.g"))), claim.Found, "info main.f"},
		{"standard library code is its caller's", Of(HeapAt(0, Kept(20, "strings.(*Builder).grow", "main.f")), HeapAt(600, Kept(90, "strings.(*Builder).grow", "main.f"))), claim.Found, "warning main.f"},
		{"a busy cache at its cap", Of(HeapAt(0, Churned(100, 1000, "main.f")), HeapAt(600, Churned(107, 9000, "main.f"))), claim.Clear, ""},
		{"more, though within the sampling error", Of(HeapAt(0, Churned(100, 1000, "main.f")), HeapAt(600, Churned(112, 9000, "main.f"))), claim.Undecided, ""},
		{"the recorder's own buffers", Of(HeapAt(0, Kept(1, "main.f")), HeapAt(600, Kept(1, "main.f"), Kept(40, "runtime/pprof.StartCPUProfile", "net/http/pprof.Profile"))), claim.Clear, ""},
		{"code that runs under pprof.Do is no recorder", Of(HeapAt(0, Kept(20, "main.f", "runtime/pprof.Do")), HeapAt(600, Kept(90, "main.f", "runtime/pprof.Do"))), claim.Found, "warning main.f"},
		{"another run of the program", Of(HeapAt(0, Churned(20, 900, "main.f")), HeapAt(600, Churned(90, 100, "main.f"))), claim.Undecided, ""},
		{"a heap that shrinks", Of(HeapAt(0, Kept(100, "main.f")), HeapAt(600, Churned(40, 100, "main.f"))), claim.Clear, ""},
		{"a warm-up that ended", Of(HeapAt(0, Kept(20, "main.f")), HeapAt(600, Kept(90, "main.f")), HeapAt(1200, Churned(92, 200, "main.f"))), claim.Found, "info main.f"},
		{"growth over three snapshots", Of(HeapAt(0, Kept(20, "main.f")), HeapAt(600, Kept(90, "main.f")), HeapAt(1200, Kept(160, "main.f"))), claim.Found, "warning main.f"},
		{"a saw", Of(HeapAt(0, Kept(20, "main.f")), HeapAt(600, Kept(200, "main.f")), HeapAt(1200, Churned(60, 240, "main.f"))), claim.Clear, ""},
		{"garbage beside it blurs nothing", Of(HeapAt(0, Objects(64, 200_000, 0, "main.garbage", "main.f"), Objects(64, 100_000, 100_000, "main.f")), HeapAt(600, Objects(64, 9_000_000, 0, "main.garbage", "main.f"), Objects(64, 300_000, 300_000, "main.f"))), claim.Found, "warning main.f"},
		{"floors without direction", Of(floors(50, 60, 50, 60, 50, 60, 50, 60)), claim.Undecided, ""},
		{"floors that rise", Of(floors(50, 52, 54, 58, 61, 64, 68)), claim.Found, "info"},
		{"floors that rise by little", Of(floors(50, 51, 52, 53, 54, 55)), claim.Undecided, ""},
		{"too few floors", Of(floors(50, 60, 70, 80, 90)), claim.Undecided, ""},
	})
}

// TestHeapGrowthOfASlice checks that a slice that is only appended to is told as one.
func TestHeapGrowthOfASlice(t *testing.T) {
	f := Judge(t, HeapGrowth, HeapAt(0, quarters(25<<20)...), HeapAt(600, quarters(64<<20)...)).All.Findings
	if len(f) != 1 || f[0].Variant != "slice" {
		t.Errorf("%+v", f)
	}
	f = Judge(t, HeapGrowth, HeapAt(0, swiss(200)...), HeapAt(600, swiss(700)...)).All.Findings
	if len(f) != 1 || f[0].Variant != "" {
		t.Errorf("the tables of a map: %+v", f)
	}
}

// TestHeapDifference checks that a profile over ?seconds=N gives a rate and is
// not taken for a state.
func TestHeapDifference(t *testing.T) {
	diff := func() *evidence.Exhibit {
		e := HeapAt(0, Churned(300, 2000, "main.f"), Objects(18432, 60_000, 30_000, "main.g:3"))
		e.Duration, e.Profile().Duration = 10*time.Second, 10*time.Second
		return e
	}
	for d, want := range map[*claim.Detector]string{HeapGrowth: claim.Undecided, MapGrowth: claim.Undecided, AllocHotspot: claim.Found} {
		if got := Judge(t, d, diff()); got.Result != want {
			t.Errorf("%s: %s %q, want %s", d.ID, got.Result, got.Worst, want)
		}
	}
}

// TestHeapGrowthBelowTheProgram checks that what libraries keep for one function of the
// program is one finding there with the sum, and that nothing else is added up.
func TestHeapGrowthBelowTheProgram(t *testing.T) {
	const module = "github.com/x/metric@v1.2.3/vec.go"
	library := func(r Row) Row {
		for i := range r.Stack {
			if strings.HasPrefix(r.Stack[i].Function, "github.com/") {
				r.Stack[i].File = module
			}
		}
		return r
	}
	two := func(histograms, labels int64, caller string, outer ...string) []*evidence.Exhibit {
		rows := func(h, l int64) []Row {
			return []Row{
				library(Kept(h, append([]string{"github.com/x/metric.newHistogram", "github.com/x/metric.(*Vec).With", "main.(*API).observe"}, outer...)...)),
				library(Kept(l, append([]string{"github.com/x/metric.MakeLabelPairs", "github.com/x/metric.(*Vec).With", caller}, outer...)...)),
			}
		}
		return Of(HeapAt(0, rows(10, 10)...), HeapAt(600, rows(10+histograms, 10+labels)...))
	}
	const observe = "main.(*API).observe"
	ExpectAll(t, HeapGrowth, []Expect{
		{"two libraries' functions below the limit, together at it", two(4, 4, observe), claim.Found, "warning " + observe},
		{"together below it", two(4, 3, observe), claim.Clear, ""},
		{"for two functions of the program", two(4, 4, "main.(*API).other"), claim.Clear, ""},
		{"nobody of the program but main", two(8, 4, "main.main", "main.main"), claim.Found, "warning " + observe},
		{"a library's goroutine of its own", Of(HeapAt(0, library(Kept(10, "github.com/x/metric.(*Agent).loop"))), HeapAt(600, library(Kept(90, "github.com/x/metric.(*Agent).loop")))), claim.Found, "warning github.com/x/metric.(*Agent).loop"},
		{"handlers are not their middleware", Of(HeapAt(0, library(Kept(10, "github.com/x/metric.(*Vec).With", "net/http.HandlerFunc.ServeHTTP", "main.withLogging.func1"))), HeapAt(600, library(Kept(90, "github.com/x/metric.(*Vec).With", "net/http.HandlerFunc.ServeHTTP", "main.withLogging.func1")))), claim.Found, "warning main.withLogging"},
	})
	f := Judge(t, HeapGrowth, two(26, 9, observe)...).All.Findings
	if len(f) != 1 || f[0].Evidence[0].Value.Number != 35*MB {
		t.Errorf("want one finding of 35 MiB: %+v", f)
	}
}

func TestHeapGrowthConfidence(t *testing.T) {
	two := Of(HeapAt(0, Kept(20, "main.f")), HeapAt(600, Kept(90, "main.f")))
	for name, c := range map[string]struct {
		exhibits []*evidence.Exhibit
		want     claim.Confidence
	}{
		"two snapshots":                      {two, claim.Low},
		"two snapshots and a rising trace":   {append(Of(floors(50, 52, 54, 58, 61, 64, 68)), two...), claim.Medium},
		"two snapshots and a trace too thin": {append(Of(floors(50, 60)), two...), claim.Low},
		"three snapshots":                    {Of(HeapAt(0, Kept(20, "main.f")), HeapAt(600, Kept(90, "main.f")), HeapAt(1200, Kept(160, "main.f"))), claim.Medium},
	} {
		if got := Judge(t, HeapGrowth, c.exhibits...).All.Findings; len(got) != 1 || got[0].Confidence != c.want {
			t.Errorf("%s: %v, want one finding of %s confidence", name, got, c.want)
		}
	}
}

// TestMetricsLabels checks that the series of a metrics registry are called so when they are half of what grows, and not below.
func TestMetricsLabels(t *testing.T) {
	series := []string{"github.com/prometheus/client_golang/prometheus.NewCounterVec.func1", "github.com/prometheus/client_golang/prometheus.(*metricMap).getOrCreateMetricWithLabelValues", "main.f"}
	for _, c := range []struct {
		what    string
		rows    []Row
		variant string
	}{
		{"half", []Row{Kept(100, series...), Kept(100, "main.f")}, metricsLabels},
		{"less", []Row{Kept(99, series...), Kept(101, "main.f")}, ""},
		{"a package that is merely named alike", []Row{Kept(200, "github.com/prometheus/client_golang/prometheusfake.New", "main.f")}, ""},
		{"what the registry's own code calls back for", []Row{Kept(200, "main.f", "github.com/prometheus/client_golang/prometheus.(*Registry).Gather", "main.g")}, ""},
		{"a library that counts for the program", []Row{Kept(200, "strings.Clone", "go.opentelemetry.io/otel/sdk/metric/internal/aggregate.(*sum[...]).measure", "main.f")}, metricsLabels},
	} {
		for _, r := range c.rows {
			for i := range r.Stack {
				if f := r.Stack[i]; !strings.HasPrefix(f.Function, "main.") && strings.Contains(f.Function, "/") {
					f.File = "library@v1.2.3/file.go"
				}
			}
		}
		for _, f := range Judge(t, HeapGrowth, HeapAt(0, Kept(20, "main.f")), HeapAt(600, c.rows...)).All.Findings {
			if fixed := len(f.Next) > 0 && strings.Contains(f.Next[0].String(), "labels"); f.Variant != c.variant || fixed != (c.variant != "") {
				t.Errorf("%s: variant %q, %v", c.what, f.Variant, f.Next)
			}
		}
	}
}
