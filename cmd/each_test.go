package cmd

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEachShare checks that a case which does not fit into its part of the memory, though it does into the whole, is
// read whole, and is the same bytes as when it is analysed alone.
func TestEachShare(t *testing.T) {
	dir := t.TempDir()
	var dump strings.Builder
	for i := range 60000 {
		fmt.Fprintf(&dump, "goroutine %d [select, %d minutes]:\nmain.(*Worker).loop%d(0xc000012345)\n\t/src/app/worker.go:%d +0x1d\ncreated by main.main in goroutine 1\n\t/src/app/main.go:%d +0x2a\n\n", i+1, i%50+1, i, i%900+1, i%700+1)
	}
	for _, name := range []string{"a-large", "b-small", "c-small", "d-small"} {
		text := "goroutine 1 [running]:\nmain.main()\n\t/src/app/main.go:7 +0x1d\n"
		if name == "a-large" {
			text = dump.String()
		}
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, "dump.txt"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	memory := "--memory=280MB" // parts of 70 MB, half of which is for what is read
	report := func(args ...string) []byte {
		out := filepath.Join(t.TempDir(), "out")
		if code, _, said := run(nil, append([]string{"analyze", "--each", dir, "-q", "-f", "json", memory, "-o", out}, args...)...); code != 0 {
			t.Fatalf("exit %d: %s", code, said)
		}
		text, err := os.ReadFile(filepath.Join(out, "a-large.json"))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	alone, shared := report("-j", "1"), report("-j", "4")
	if !bytes.Equal(alone, shared) {
		t.Error("the report differs when others are analysed at the same time")
	}
	if bytes.Contains(shared, []byte("partial")) {
		t.Error("the large case was read in part only, though the whole budget has room for it")
	}
}
