package dump

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRareCrashes reads the crashes that are seen less often as Go 1.22 to 1.27
// print them; see testdata/crashes.sh and testdata/rare/main.go.
func TestRareCrashes(t *testing.T) {
	want := []string{
		"concurrent map access at main.(*ledger).balance x1, exit 2",
		"index out of range at main.(*ledger).page x1, exit 2",
		"key that cannot be compared at main.(*ledger).key x1, exit 2",
		"unlock of an unlocked lock at main.(*ledger).leave x1, exit 2",
		"unlock of an unlocked lock at main.(*ledger).release x1, exit 2",
		"wait group misuse",
		"out of memory at main.main x1, exit 2",
		"memory corruption",
		"bus error at main.load x1, exit 2",
	}
	// Whether Add or Wait notices, and whether the program's goroutine or the collector's, is chance.
	chance := []string{"wait group misuse", "memory corruption"}
	files, _ := filepath.Glob("testdata/rare-go1.*.txt")
	if len(files) != 6 {
		t.Fatalf("%d recordings, want 6", len(files))
	}
	for _, file := range files {
		var got []string
		for _, c := range read(t, recorded(t, filepath.Base(file))).Crashes {
			if says, by := says(c), string(c.Class); slices.Contains(chance, by) && !strings.HasSuffix(says, "main.load x1, exit 2") {
				got = append(got, by)
			} else {
				got = append(got, says)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// TestRecordedBubbles reads a dump from within a synctest bubble and the ends of
// two that stand still; see testdata/bubble.
func TestRecordedBubbles(t *testing.T) {
	want := []string{
		"deadlock at bubble.TestStuck x1, exit 2",
		"deadlock at main.main x1, exit 2", // the runtime blames nobody: the first goroutine stands for all
	}
	files, _ := filepath.Glob("testdata/bubble-go1.*.txt")
	if len(files) != 3 {
		t.Fatalf("%d recordings, want 3", len(files))
	}
	for _, file := range files {
		text := recorded(t, filepath.Base(file))
		var got []string
		for _, c := range read(t, text).Crashes {
			got = append(got, says(c))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
		dumps := find(t, text)
		if len(dumps) == 0 {
			t.Errorf("%s: no dump", file)
			continue
		}
		inside, durable := 0, 0
		for _, g := range dumps[0].Goroutines {
			if g.Bubble == 1 {
				inside++
			}
			if g.Durable {
				durable++
			}
		}
		// The one that prints is in the bubble and runs.
		if inside != 7 || durable != 6 {
			t.Errorf("%s: %d goroutines in the bubble, %d waiting in it, want 7 and 6", file, inside, durable)
		}
	}
}
