package evidence

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"
)

// textSize is how much of each shape BenchmarkTexts reads.
const textSize = 16 << 20

// texts are shapes of logs, each grown from lines that programs really printed.
func texts(tb testing.TB, size int) map[string][]byte {
	read := func(pattern string) []byte {
		names, _ := filepath.Glob(pattern)
		if len(names) == 0 {
			tb.Fatal("no " + pattern)
		}
		var all []byte
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				tb.Fatal(err)
			}
			all = append(all, data...)
		}
		return all
	}
	only := func(data []byte, pattern string) []byte {
		return bytes.Join(append(regexp.MustCompile(pattern).FindAll(data, -1), nil), []byte("\n"))
	}
	again := func(data []byte) []byte { return bytes.Repeat(data, size/len(data)+1)[:size] }
	// each writes lines anew, over and over, with the number of the line.
	each := func(data []byte, write func(out []byte, n int, line []byte) []byte) []byte {
		lines := bytes.Split(bytes.TrimRight(data, "\n"), []byte("\n"))
		out := make([]byte, 0, size+4096)
		for n := 0; len(out) < size; n++ {
			out = append(write(out, n, lines[n%len(lines)]), '\n')
		}
		return out
	}
	json := func(out []byte, n int, line []byte) []byte {
		out = append(out, `{"log":`...)
		out = strconv.AppendQuote(out, string(line)+"\n")
		return fmt.Appendf(out, `,"stream":"stderr","time":"2026-09-01T%02d:%02d:%02d.%09dZ"}`, n/3600000%24, n/60000%60, n/1000%60, n%1000*1000000)
	}
	cri := func(out []byte, n int, line []byte) []byte {
		out = fmt.Appendf(out, "2026-09-01T%02d:%02d:%02d.%09dZ stderr F ", n/3600000%24, n/60000%60, n/1000%60, n%1000*1000000)
		return append(out, line...)
	}
	gcAt := regexp.MustCompile(`^gc \d+ @[\d.]+s`)
	schedAt := regexp.MustCompile(`^SCHED \d+ms`)
	logs := read("../../fixtures/[^u]*/*/stderr.log")
	race := read("../../internal/evidence/dump/testdata/race-go1.*.txt")
	dumps := read("../../internal/evidence/dump/testdata/debug2-go1.*.txt")
	large := read("../../fixtures/locks/orders-lockheld/dump.txt")
	gc := only(logs, `(?m)^gc \d+ @.*$`)
	sched := only(logs, `(?m)^SCHED \d+ms: .*$`)
	gcOn := each(gc, func(out []byte, n int, line []byte) []byte {
		return append(fmt.Appendf(out, "gc %d @%d.%03ds", n+1, n/100, n%100*10), line[len(gcAt.Find(line)):]...)
	})
	schedOn := each(sched, func(out []byte, n int, line []byte) []byte {
		return append(fmt.Appendf(out, "SCHED %dms", n*10), line[len(schedAt.Find(line)):]...)
	})
	access := []byte(`10.0.3.7 - - "GET /orders/7f3a HTTP/1.1" 200 5123 "-" "Go-http-client/1.1" 0.004` + "\n" +
		`level=info ts=2026-09-01T12:00:00Z caller=pool.go:71 msg="goroutine pool grown" size=64` + "\n" +
		`{"level":"info","ts":1788264000.5,"msg":"order stored","id":"7f3a","took_ms":4}` + "\n")
	return map[string][]byte{
		"race":          again(race),
		"race-json":     each(race, json),
		"race-cri":      each(race, cri),
		"gctrace":       gcOn,
		"gctrace-json":  each(gcOn[:size/2], json),
		"gctrace-cri":   each(gcOn[:size/2], cri),
		"gctrace-mixed": again(gc), // processes that begin again and again
		"schedtrace":    schedOn,
		"sched-json":    each(schedOn[:size/2], json),
		"sched-cri":     each(schedOn[:size/2], cri),
		"sched-mixed":   again(sched),
		"dumps":         again(dumps),
		"dumps-json":    each(dumps, json),
		"dumps-cri":     each(dumps, cri),
		"dump-large":    again(large),
		"crashes":       again(read("../../internal/evidence/dump/testdata/crashes-go1.*.txt")),
		"crashes-json":  each(read("../../internal/evidence/dump/testdata/crashes-go1.*.txt"), json),
		"crashes-cri":   each(read("../../internal/evidence/dump/testdata/crashes-go1.*.txt"), cri),
		"stderr":        again(logs),
		"stderr-json":   each(logs, json),
		"access":        again(access),
		"access-json":   each(access, json),
		"perf":          again(read("../../internal/evidence/folded/testdata/perf.script")),
		"bpftrace":      again(read("../../internal/evidence/folded/testdata/*.bt")),
		"collapsed":     again(read("../../internal/evidence/folded/testdata/perf.folded")),
		"empty-lines":   again([]byte("\n")),
		"yes":           again([]byte("y\n")),
		"json-string":   append(append([]byte(`{"stack":`), strconv.Quote(string(again(dumps)[:size/2]))...), "}\n"...),
	}
}

// BenchmarkTexts reads logs as inquest analyze does, hash included. MB/cpu-s, which other work on the
// machine changes least, and MB/s are what docs/performance.md lists. times-drain is the processor
// time over that of the least that a reader of lines can do, and slope by how much more a file of
// four times the size takes for each byte: they hold on any machine, see TestTextsAreReadAtOnce.
func BenchmarkTexts(b *testing.B) {
	if cpuTime() == 0 {
		b.Skip("the system does not tell processor time")
	}
	dir := b.TempDir()
	all := texts(b, textSize)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		b.Run(name, func(b *testing.B) {
			text := all[name]
			file := filepath.Join(dir, name+".log")
			if err := os.WriteFile(file, text, 0o644); err != nil {
				b.Fatal(err)
			}
			defer os.Remove(file)
			b.SetBytes(int64(len(text)))
			start, n := cpuTime(), 0
			for ; b.Loop(); n++ {
				readText(b, file)
			}
			took := (cpuTime() - start) / time.Duration(n)
			b.ReportMetric(float64(len(text))/1e6/took.Seconds(), "MB/cpu-s")
			b.ReportMetric(float64(took)/float64(drain(text)), "times-drain")
			quarter := text[:len(text)/4]
			if err := os.WriteFile(file, quarter, 0o644); err != nil {
				b.Fatal(err)
			}
			start = cpuTime()
			readText(b, file)
			b.ReportMetric(float64(took)/float64(len(text))/(float64(cpuTime()-start)/float64(len(quarter))), "slope")
		})
	}
}

func readText(tb testing.TB, file string) {
	if _, err := Open(tb.Context(), []string{file}, Options{Jobs: 1}); err != nil {
		tb.Fatal(err)
	}
}

// drain returns the processor time of hashing a text and of looking up each of its lines in a map.
func drain(text []byte) time.Duration {
	start := cpuTime()
	_ = sha256.Sum256(text)
	seen := map[string]int{}
	for line := range bytes.Lines(text) {
		if n, ok := seen[string(line)]; ok || len(seen) < 1000 {
			seen[string(line)] = n + 1
		}
	}
	return max(cpuTime()-start, time.Microsecond)
}

// TestTextsAreReadAtOnce holds that no shape of text takes much more than its lines do, or more for each byte the
// longer it is. Both are ratios of processor time, and coarse: other work on a machine changes them by half.
func TestTextsAreReadAtOnce(t *testing.T) {
	if testing.Short() || cpuTime() == 0 {
		t.Skip("takes seconds, and wants the processor time of code without the race detector")
	}
	const small, large = 1 << 19, 1 << 21
	file := filepath.Join(t.TempDir(), "x.log")
	for name, text := range texts(t, large) {
		best := func(text []byte) time.Duration {
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
			took := time.Duration(math.MaxInt64)
			for range 3 {
				start := cpuTime()
				readText(t, file)
				took = min(took, cpuTime()-start)
			}
			return took
		}
		least := min(drain(text), drain(text), drain(text))
		part, whole := best(text[:len(text)*small/large]), best(text)
		t.Logf("%-14s %5.1f times the drain, slope %.2f", name, float64(whole)/float64(least), float64(whole)/float64(part)*small/large)
		if whole > mostOfDrain*least {
			t.Errorf("%s takes %v of processor time, more than %d times the %v of a drain", name, whole, mostOfDrain, least)
		}
		if whole > 3*part*large/small {
			t.Errorf("%s: %d bytes take %v of processor time, and %d bytes %v: more than in proportion", name, len(text)*small/large, part, len(text), whole)
		}
	}
}

// mostOfDrain bounds the processor time of reading a text by that of a drain.
const mostOfDrain = 40
