package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"inquest/.ci/mutate"
	"inquest/cmd"
)

// result is what became of one mutant.
type result struct {
	Past      bool          // it was used as evidence: it got past the header
	Recovered string        // a panic of ours that was caught
	Unnamed   string        // it was neither used nor named
	Malformed string        // an exit code nobody documents, or a report that is none
	Took      time.Duration // all commands together
	Peak      int64         // most memory resident, bytes; 0 where the system does not say
}

// mutant is one damaged file and, at times, a whole one beside it.
type mutant struct {
	seed string // file it was made of
	data []byte
}

// newMutant makes mutant i; the same numbers give the same bytes.
func newMutant(seeds map[mutate.Kind][]string, seed uint64, i int) mutant {
	r := rand.New(rand.NewPCG(seed, uint64(i)))
	kind := kindOf(i)
	files := seeds[kind]
	m := mutant{seed: files[r.IntN(len(files))]}
	data, err := os.ReadFile(m.seed)
	if err != nil {
		fatal(err)
	}
	m.data = mutate.Of(kind, data, r)
	return m
}

// serve tries the mutants whose numbers come on standard input.
func serve(seeds map[mutate.Kind][]string, seed uint64) {
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		i, err := strconv.Atoi(lines.Text())
		if err != nil {
			fatal(err)
		}
		r, err := attempt(newMutant(seeds, seed, i), i)
		if err != nil {
			fatal(err)
		}
		if err := out.Encode(r); err != nil {
			fatal(err)
		}
	}
}

// attempt sends a mutant through the command line: analyze in every format, and in
// turn redaction, diff, inspect with render and verify, or standard input.
func attempt(m mutant, i int) (r result, err error) {
	dir, err := os.MkdirTemp("", "soak")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	evidence, reports := filepath.Join(dir, "case"), filepath.Join(dir, "out")
	for _, d := range []string{evidence, reports} {
		if err := os.Mkdir(d, 0o750); err != nil {
			return r, err
		}
	}
	name := fmt.Sprintf("mutant%d.bin", i)
	if err := os.WriteFile(filepath.Join(evidence, name), m.data, 0o640); err != nil {
		return r, err
	}
	if i%3 == 0 { // beside whole evidence, to be joined with it
		if err := beside(m.seed, evidence); err != nil {
			return r, err
		}
	}
	resetPeak()
	start := time.Now()
	file := filepath.Join(reports, "r.json")
	args := []string{"analyze", evidence, "-o", file} // not -q, under which what is passed over is not named
	for _, ext := range []string{"html", "md", "txt", "sarif", "xml", "annotations"} {
		args = append(args, "-o", filepath.Join(reports, "r."+ext))
	}
	_, said := r.command(nil, args...)
	r.look(file, name, said)
	switch i % 4 {
	case 0:
		r.command(nil, "analyze", "-q", evidence, "--redact=strict", "-f", "json")
		r.command(nil, "analyze", "-q", evidence, "--redact", "-f", "html")
	case 1:
		r.command(nil, "diff", "-q", m.seed, filepath.Join(evidence, name), "-f", "json")
		r.command(nil, "diff", "-q", filepath.Join(evidence, name), m.seed, "-f", "html")
	case 2:
		r.command(nil, "inspect", evidence)
		r.command(nil, "render", file, "-f", "markdown")
		r.command(nil, "verify", file, evidence)
	case 3:
		r.command(bytes.NewReader(m.data), "analyze", "-q", "-", "-f", "github")
		r.command(bytes.NewReader(m.data), "analyze", "-q", "--window", "100ms,900ms", "-", "-f", "text")
	}
	r.Took, r.Peak = time.Since(start), peak()
	return r, nil
}

// beside copies a few files of the seed's own case next to a mutant.
func beside(seed, into string) error {
	entries, err := os.ReadDir(filepath.Dir(seed))
	if err != nil {
		return err
	}
	for n, e := range entries {
		kind, ok := seedKind(filepath.Join(filepath.Dir(seed), e.Name()))
		if e.IsDir() || !ok || e.Name() == filepath.Base(seed) || kind == mutate.Trace || n > 6 {
			continue
		}
		data, err := os.ReadFile(filepath.Join(filepath.Dir(seed), e.Name()))
		if err != nil {
			return err
		}
		if len(data) < 400<<10 {
			if err := os.WriteFile(filepath.Join(into, e.Name()), data, 0o640); err != nil {
				return err
			}
		}
	}
	return nil
}

// command runs one command of inquest in this process.
func (r *result) command(stdin io.Reader, args ...string) (stdout, stderr string) {
	if stdin == nil {
		stdin = strings.NewReader("")
	}
	var out, said bytes.Buffer
	code := cmd.Main(args, stdin, &out, &said)
	for _, text := range []string{out.String(), said.String()} {
		if strings.Contains(text, "please report it") && r.Recovered == "" {
			r.Recovered = line(text, "please report it")
		}
	}
	if (code < 0 || code > 4) && r.Malformed == "" {
		r.Malformed = fmt.Sprintf("%s: exit code %d: %s", args[0], code, said.String())
	}
	return out.String(), said.String()
}

// line returns the line of a text that holds a word.
func line(text, word string) string {
	for l := range strings.Lines(text) {
		if strings.Contains(l, word) {
			return strings.TrimSpace(l)
		}
	}
	return word
}

// look judges the JSON report: what was used, what failed, what is missing.
func (r *result) look(file, name, stderr string) {
	data, err := os.ReadFile(file)
	if err != nil {
		// No report: nothing in the case was evidence, which must be said by name.
		if !strings.Contains(stderr, name) && !strings.Contains(stderr, "case") {
			r.Unnamed = "no report, and not named: " + strings.TrimSpace(stderr)
		}
		return
	}
	var report struct {
		Exhibits []struct {
			Path, Coverage string
			Problems       []string
		}
		Verdicts []struct{ Detector, Result, Why string }
	}
	if err := json.Unmarshal(data, &report); err != nil {
		r.Malformed = "the JSON report: " + err.Error()
		return
	}
	named := strings.Contains(string(data), name)
	for _, e := range report.Exhibits {
		if strings.Contains(e.Path, name) && e.Coverage != "none" {
			r.Past = true
		}
		for _, p := range e.Problems {
			if strings.Contains(p, "please report it") {
				r.Recovered = p
			}
		}
	}
	for _, v := range report.Verdicts {
		if v.Result == "failed" {
			r.Recovered = v.Detector + " failed: " + v.Why
		}
	}
	if !named && !strings.Contains(stderr, name) {
		r.Unnamed = "neither used nor named"
	}
}

// seedKind tells the mutator for a recorded file by its head.
func seedKind(path string) (mutate.Kind, bool) {
	f, err := os.Open(path)
	if err != nil {
		return "", false
	}
	defer f.Close()
	head := make([]byte, 16)
	n, _ := io.ReadFull(f, head)
	head = head[:n]
	switch ext := filepath.Ext(path); {
	case ext == ".go" || ext == ".mod" || ext == ".sum" || ext == ".yaml" || ext == ".md" || ext == ".zip" || ext == ".zst" || strings.Contains(path, "testdata/fuzz"):
		return "", false
	case bytes.HasPrefix(head, []byte("go 1.")) && bytes.Contains(head, []byte(" trace")):
		return mutate.Trace, true
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}) || ext == ".pb":
		return mutate.Profile, true
	case ext == ".json":
		return "", false
	}
	return mutate.Text, true
}

// resetPeak makes Linux forget the most memory that was resident so far.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// peak is the most memory resident since then.
func peak() int64 {
	data, _ := os.ReadFile("/proc/self/status")
	_, rest, ok := strings.Cut(string(data), "VmHWM:")
	if !ok {
		return 0
	}
	kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	return kb << 10
}
