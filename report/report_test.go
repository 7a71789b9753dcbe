package report

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// cases are the hand-built reports under testdata: a real-looking incident, one
// in which nothing was found, and one whose every string is an attack.
var cases = []string{"incident", "quiet", "hostile"}

func load(t testing.TB, name string) *Report {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := Read(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

func written(t testing.TB, write Writer, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestGolden proves that presentation is unchanged, nothing more.
func TestGolden(t *testing.T) {
	for _, name := range cases {
		r := load(t, name)
		for _, f := range formats {
			path := filepath.Join("testdata", name+f.extensions[0])
			got := written(t, f.write, r)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
				t.Errorf("%s changed (run with -update if meant):\n%s", path, d)
			}
		}
	}
}
