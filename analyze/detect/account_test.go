package detect_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"inquest/analyze/evidence"
	"inquest/cmd/settings"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/judge"
)

// accounted are the detectors of faults whose time the account of a trace must find: waiting, processors, stops. What the others find
// costs memory, or is a number of goroutines.
var accounted = strings.Fields(`mutex-hotspot long-critical-section writer-starvation deadlock pool-exhaustion channel-backpressure
	blocked-downstream singleflight-stuck goroutine-pileup syscall-blocking cpu-hotspot busy-loop retry-storm connection-churn repeated-setup
	sched-latency spinning fragmented-slices goroutine-burst stw-extension`)

// TestAccountNamesTheCulprit judges the accounts of all recorded traces by what truth.yaml says of the case. Where the fault is waiting,
// a stop of the world or use of the processors, what operations lose most by names the culprit in nine of ten; it is loud on no healthy program and no fixed twin. -v prints the table.
func TestAccountNamesTheCulprit(t *testing.T) {
	cases, err := filepath.Glob(filepath.Join(fixtures(), "*", "*", "truth.yaml"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	named, of := 0, 0
	for _, name := range cases {
		dir := filepath.Dir(name)
		path := filepath.Join(dir, "trace.out")
		if _, err := os.Stat(path); err != nil {
			continue
		}
		want := readTruth(t, name)
		bundle, err := evidence.Open(t.Context(), []string{path}, evidence.Options{})
		if err != nil {
			t.Fatal(err)
		}
		tl := bundle.Exhibits[0].Trace()
		for _, o := range tl.Account.Operations {
			for _, p := range o.Parts {
				o.Active -= p.Time
			}
			if o.Active != 0 {
				t.Errorf("%s: parts of %s miss their whole by %v", path, o.Group.Function, o.Active)
			}
		}
		loss := judge.LossOf(tl)
		base := filepath.Base(dir)
		if strings.HasSuffix(base, "-fixed") || strings.HasPrefix(base, "healthy") {
			if loss != nil && loss.Loud {
				t.Errorf("%s: loud: %s", base, lossText(tl, loss))
			}
			continue
		}
		functions := culprits(want)
		if loss == nil || len(functions) == 0 {
			continue
		}
		of++
		mark := "missed"
		if slices.ContainsFunc(loss.Sites(), func(fn string) bool { return slices.Contains(functions, fn) }) {
			named++
			mark = "named"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", base, mark, lossText(tl, loss))
	}
	w.Flush()
	t.Logf("the culprit is named in %d of %d\n%s", named, of, table.String())
	if of == 0 || named*10 < of*9 {
		t.Errorf("the culprit is named in %d of %d", named, of)
	}
}

func readTruth(t *testing.T, name string) (want truth) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := settings.Read(name, file, &want); err != nil {
		t.Fatal(err)
	}
	return want
}

// culprits returns the functions that a case blames for time, as far as a trace shows it.
func culprits(want truth) (out []string) {
	for _, f := range want.Find {
		if f.Function == "" || !slices.Contains(accounted, f.Detector) || len(f.Kinds) > 0 && !slices.Contains(f.Kinds, evidence.Trace) {
			continue
		}
		out = append(append(out, f.Function), f.Or...)
	}
	return out
}

func lossText(t *exectrace.Timeline, l *judge.Loss) string {
	loud := "quiet"
	if l.Loud {
		loud = "loud"
	}
	p := l.Part
	return fmt.Sprintf("%s: %s of %s, %.1f under way, %.0f %% %s at %s by %s for %s %s", loud, l.Operation.Kind, l.Operation.Group.Function,
		float64(l.Operation.Active)/float64(t.Duration), 100*float64(p.Time)/float64(l.Operation.Active), p.Kind, p.Site.Function, p.By.Function, p.Class, p.For.Function)
}
