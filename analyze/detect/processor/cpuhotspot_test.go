package processor

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/exectrace"
)

// TestCPUHotspotOfATrace checks that a trace without CPU samples says which goroutines of the application run longest.
func TestCPUHotspotOfATrace(t *testing.T) {
	const ms = time.Millisecond
	trace := func(mine, others int, start string) *evidence.Exhibit {
		return Traced(&exectrace.Timeline{Procs: exectrace.Procs{Max: 2, Running: time.Second}, Groups: []exectrace.Group{
			{Start: At(start), Slices: Histogram(mine, ms)}, {Start: At("net/http.(*conn).serve"), Slices: Histogram(others, ms)},
		}})
	}
	ExpectAll(t, CPUHotspot, []Expect{
		{"most of the running", Of(trace(60, 40, "main.solve")), claim.Found, "info main.solve"},
		{"less than others", Of(trace(40, 60, "main.solve")), claim.Undecided, ""},
		{"of the standard library", Of(trace(60, 0, "net/http.(*connReader).backgroundRead")), claim.Undecided, ""},
	})
	profile := Profiled(evidence.CPU, 0, CPU(500, "main.compute", "main.solve"))
	profile.Duration, profile.Profile().Duration = 10*time.Second, 10*time.Second
	if f := Judge(t, CPUHotspot, profile, trace(60, 40, "main.solve")).All.Findings; len(f) != 1 || f[0].Site.Function != "main.compute" {
		t.Errorf("beside a CPU profile, which names the function: %+v", f)
	}
}
