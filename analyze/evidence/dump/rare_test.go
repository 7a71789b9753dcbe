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
		"memory corruption at main.load x1, exit 2",
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
