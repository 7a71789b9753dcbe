package evidence

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"inquest/internal/evidence/prose"
)

// TestHoles checks that a file of holes is named and left out at once, and one with a small hole is read.
func TestHoles(t *testing.T) {
	for _, x := range []struct {
		name string
		at   int64 // of the dump
		size int64 // of the file
		why  string
	}{
		{"a hole before", 1 << 40, 1 << 40, "1.0 TiB of it were never written"},
		{"a hole behind", 0, 1 << 40, "1024 GiB of it were never written"},
		{"a small hole", 1 << 20, 1 << 20, ""},
	} {
		name := filepath.Join(t.TempDir(), "dump.txt")
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte(oneDump), x.at); err != nil {
			t.Skip(err)
		}
		if err := f.Truncate(x.size + int64(len(oneDump))); err != nil {
			t.Skip(err)
		}
		f.Close()
		start := time.Now()
		b, err := Open(t.Context(), []string{name}, Options{})
		if err != nil || len(b.Exhibits) != 1 {
			t.Fatalf("%s: %v, %d exhibits", x.name, err, len(b.Exhibits))
		}
		e := b.Exhibits[0]
		if said := prose.Join(e.Problems, "; ").String(); (x.why == "") != (e.Coverage != None) || !strings.Contains(said, x.why) {
			t.Errorf("%s: %s, %q", x.name, e.Coverage, said)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %v", x.name, took)
		}
	}
}
