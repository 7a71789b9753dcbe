package cmd

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the README's examples and the scripts' expectations")

// TestReadme runs every "$ inquest ..." and "$ go run . ..." line of the
// README's console blocks and compares what it prints with what the README shows.
func TestReadme(t *testing.T) {
	t.Chdir("..")
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	examples, inBlock, shown := 0, false, false
	for line := range strings.Lines(string(data)) {
		switch {
		case strings.HasPrefix(line, "```console"):
			inBlock = true
		case strings.HasPrefix(line, "```"):
			inBlock, shown = false, false
		case inBlock && strings.HasPrefix(line, "$ "):
			out.WriteString(line)
			shown = false
			args, ours := commandLine(line)
			if !ours {
				continue
			}
			examples++
			shown = true
			var stdout, stderr bytes.Buffer
			code := Main(args, strings.NewReader(""), &stdout, &stderr)
			if code == exitFailed {
				t.Errorf("%s exits %d: %s", strings.TrimSpace(line), code, stderr.String())
			}
			out.WriteString(excerpt(line, stdout.String()))
			continue
		case shown:
			continue // replaced by what the command prints
		}
		out.WriteString(line)
	}
	if examples == 0 {
		t.Fatal("the README shows no run")
	}
	if out.String() == string(data) {
		return
	}
	if *update {
		if err := os.WriteFile("README.md", []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Error("the README shows other output than the commands print; run go test ./cmd -run Readme -update and read the difference")
}

// commandLine splits an example; it uses no quotes and may end in "| head -N".
func commandLine(line string) (args []string, ours bool) {
	line, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "$ "), " | ")
	for _, prefix := range []string{"inquest ", "go run . "} {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			return strings.Fields(rest), true
		}
	}
	return nil, false
}

// excerpt applies the "| head -N" of an example.
func excerpt(line, output string) string {
	_, count, ok := strings.Cut(strings.TrimSpace(line), "| head -")
	if !ok {
		return output
	}
	n := 0
	for _, c := range count {
		n = n*10 + int(c-'0')
	}
	lines := strings.SplitAfter(output, "\n")
	return strings.Join(lines[:min(n, len(lines))], "")
}
