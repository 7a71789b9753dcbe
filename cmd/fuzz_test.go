package cmd

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"inquest/.ci/mutate"
)

// fuzzSeeds are small recordings of each kind.
func fuzzSeeds(f *testing.F) (all [][]byte) {
	for _, pattern := range []string{
		"../fixtures/locks/orders-lockheld/*.pb.gz", "../fixtures/locks/orders-lockheld/*.txt", "../fixtures/crashes/tickets-mapcrash/*.log", "../fixtures/collector/search-memlimit/*.log",
		"../internal/evidence/exectrace/testdata/versions/go1.2[26].trace", "../internal/evidence/dump/testdata/race*",
	} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			if data, err := os.ReadFile(file); err == nil && len(data) < 150<<10 {
				all = append(all, data)
			}
		}
	}
	if len(all) < 8 {
		f.Fatalf("only %d seeds", len(all))
	}
	return all
}

func seedKind(data []byte) mutate.Kind {
	switch {
	case bytes.HasPrefix(data, []byte("go 1.")):
		return mutate.Trace
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		return mutate.Profile
	}
	return mutate.Text
}

// run runs inquest in this process.
func run(stdin []byte, args ...string) (code int, stdout, stderr string) {
	var out, said bytes.Buffer
	code = Main(args, bytes.NewReader(stdin), &out, &said)
	return code, out.String(), said.String()
}

// FuzzAnalyze sends evidence through everything: all detectors, the chains, a writer, redaction
// or a comparison. No panic is caught on the way, no verdict fails, and the exit code is one that is documented.
func FuzzAnalyze(f *testing.F) {
	seeds := fuzzSeeds(f)
	for i := range seeds {
		f.Add([]byte(nil), uint8(i), uint64(i), uint64(3))
	}
	f.Add([]byte("goroutine 1 [running]:\nmain.main()\n\t/x.go:1 +0x1\n"), uint8(0), uint64(0), uint64(0))
	f.Add([]byte("fatal error: all goroutines are asleep - deadlock!\n"), uint8(1), uint64(0), uint64(0))
	base := filepath.Join(f.TempDir(), "base")
	if err := os.WriteFile(base, seeds[0], 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte, which uint8, a, b uint64) {
		data := raw
		if len(data) == 0 {
			seed := seeds[int(which)%len(seeds)]
			data = mutate.Of(seedKind(seed), seed, rand.New(rand.NewPCG(a, b)))
		}
		if len(data) > 1<<20 {
			return
		}
		start := time.Now()
		args := [][]string{
			{"analyze", "-q", "-f", "json", "-"}, {"analyze", "-q", "-f", "html", "-"}, {"analyze", "-q", "-f", "markdown", "--redact", "-"}, {"analyze", "-q", "-f", "text", "-"},
			{"analyze", "-q", "-f", "json", "--redact=strict", "-"}, {"analyze", "-q", "-f", "sarif", "-"}, {"diff", "-q", "-f", "json", base, "-"}, {"inspect", "-"},
		}[which%8]
		code, stdout, stderr := run(data, args...)
		if code < 0 || code > 3 {
			t.Errorf("exit code %d: %s", code, stderr)
		}
		for _, text := range []string{stdout, stderr} {
			if i := strings.Index(text, "please report it"); i >= 0 {
				t.Errorf("%s", text[max(0, i-300):i])
			}
		}
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%d bytes took %v", len(data), d)
		}
		if args[0] != "analyze" || args[3] != "json" || stdout == "" {
			return
		}
		var report struct {
			Verdicts []struct{ Detector, Result, Why string }
		}
		if err := json.Unmarshal([]byte(stdout), &report); err != nil {
			t.Fatal(err)
		}
		for _, v := range report.Verdicts {
			if v.Result == "failed" {
				t.Errorf("%s failed: %s", v.Detector, v.Why)
			}
		}
	})
}

// FuzzSettings gives a config, a baseline and a limit that are anything: they are read or
// refused in a moment, by a line that names the file.
func FuzzSettings(f *testing.F) {
	dir := f.TempDir()
	dump := []byte("goroutine 1 [running]:\nmain.main()\n\t/x.go:1 +0x1\n")
	config, baseline := filepath.Join(dir, "config.yaml"), filepath.Join(dir, "baseline")
	f.Add([]byte("limits:\n  mutex-hotspot.min-wait: 5ms\nskip: [crash]\nfail-on: warning\n"), []byte("0123456789abcdef\n# known\n"), "deadlock.x=1")
	f.Add([]byte("a: &a [x,x]\nb: &b [*a,*a]\nonly: *b\n"), []byte(`{"schema":"inquest/report/v1"}`), "mutex-hotspot.min-wait=1e400")
	f.Add([]byte("only: "+strings.Repeat("[", 1000)), []byte("\x00\xff"), "=")
	f.Fuzz(func(t *testing.T, c, b []byte, limit string) {
		if len(c)+len(b) > 1<<17 || strings.ContainsRune(limit, 0) {
			return
		}
		for path, data := range map[string][]byte{config: c, baseline: b} {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		for _, args := range [][]string{{"--config", config}, {"--baseline", baseline}, {"--limit=" + limit}} {
			code, _, stderr := run(dump, append([]string{"analyze", "-q", "-f", "json", "-"}, args...)...)
			if code < 0 || code > 3 {
				t.Errorf("%q: exit code %d: %s", args, code, stderr)
			}
			if code == 2 && stderr == "" {
				t.Errorf("%q: exit code 2 without a word", args)
			}
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("took %v", d)
		}
	})
}
