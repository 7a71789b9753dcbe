package detect

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/detect/locks"
	"inquest/analyze/detect/memory"
	"inquest/analyze/detect/processor"
	"inquest/analyze/evidence"
)

// Stacks counted by bpftrace and perf, of a program in which main.(*Store).Update
// takes a lock and puts entries into a map that only grows.
func TestFoldedVouchesForWhatItNames(t *testing.T) {
	tests := []struct {
		file     string
		detector *claim.Detector
		site     string // vouched for; empty for none
		says     string // the fact, or why it is silent
	}{
		{"rehash.bt", memory.MapGrowth, "main.(*Store).Update", "calls that make a map larger, by way of the function"},
		{"mapassign-caller.bt", memory.MapGrowth, "main.(*Store).Update", "calls that assign to a map, by way of the function"},
		{"perf.folded", memory.MapGrowth, "main.(*Store).Update", "samples in maps being made larger, by way of the function"},
		{"lock.bt", locks.MutexHotspot, "main.(*Store).Update", "calls that wait for a lock, by way of the function"},
		{"perf.folded", locks.MutexHotspot, "", "few of its 554 samples are inside Lock and Unlock"},
		{"perf.folded", memory.AllocHotspot, "main.main.func1", "samples in allocating, by way of the function"},
		{"perf.folded", processor.CPUHotspot, "main.(*Store).Update", "samples outside the runtime, by way of the function"},
		{"lock.bt", memory.MapGrowth, "", "it counts calls of internal/sync.runtime_SemacquireMutex, which say nothing of it"},
		{"rehash.bt", processor.CPUHotspot, "", "it counts calls of internal/runtime/maps.(*table).rehash, which say nothing of it"},
		{"perf.script", locks.MutexHotspot, "", "few of its 12 samples"},
	}
	for _, tt := range tests {
		t.Run(tt.file+" "+tt.detector.ID, func(t *testing.T) {
			b, err := evidence.Open(context.Background(), []string{filepath.Join("..", "..", "internal", "evidence", "folded", "testdata", tt.file)}, evidence.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(b.Of(evidence.Folded)) != 1 {
				t.Fatalf("exhibits: %+v", b.Exhibits[0])
			}
			var r claim.Reading
			for _, m := range tt.detector.Measures {
				if m.Kind == evidence.Folded {
					r = m.Run(&claim.Input{Exhibits: b.Of(evidence.Folded)})
				}
			}
			switch {
			case r.Silent == "":
				t.Error("it would deny the claim at other sites")
			case tt.site == "" && (len(r.Candidates) > 0 || !strings.HasPrefix(r.Silent.String(), tt.says)):
				t.Errorf("candidates %v, silent %q", r.Candidates, r.Silent)
			case tt.site != "" && len(r.Candidates) == 0:
				t.Errorf("vouches for nobody: %s", r.Silent)
			case tt.site != "" && (r.Candidates[0].Site.Function != tt.site || r.Candidates[0].Facts[0].Says.String() != tt.says):
				t.Errorf("vouches for %s: %s", r.Candidates[0].Site.Function, r.Candidates[0].Facts[0].Says)
			}
			for _, c := range r.Candidates {
				if c.Severity != claim.NoSeverity || c.Raises != claim.NoSeverity || !c.Thin {
					t.Errorf("it accuses: %+v", c)
				}
			}
		})
	}
}

// Alone, a count of stacks is no ground for a finding.
func TestFoldedAloneFindsNothing(t *testing.T) {
	b, err := evidence.Open(context.Background(), []string{filepath.Join("..", "..", "internal", "evidence", "folded", "testdata")}, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	res, err := analyze.Run(b, All, analyze.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range res.Findings {
		t.Errorf("%s: %s", f.Detector, f.Summary)
	}
}
