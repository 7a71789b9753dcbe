package exectrace

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

var traceSize = flag.Int("tracesize", 32, "megabytes of the traces that benchmarks read; some are four times as long")

// BenchmarkRead reads traces made on the spot and compares with a bare drain of
// x/exp/trace, measured in turns with it. Every measurement is a process of its
// own, for its peak memory. docs/performance.md explains the numbers.
//
//	go test -run '^$' -bench Read -benchtime 5x ./internal/evidence/exectrace -tracesize 110
func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	build := func(name string) string {
		out := filepath.Join(dir, name)
		if msg, err := exec.Command("go", "build", "-o", out, "./testdata/"+name).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, msg)
		}
		return out
	}
	load, measure := build("load"), build("measure")
	for _, kind := range []string{"service", "pingpong"} {
		for _, times := range []int{1, 4} {
			size := *traceSize * times
			file := filepath.Join(dir, fmt.Sprintf("%s-%d", kind, size))
			b.Run(fmt.Sprintf("%s-%dMB", kind, size), func(b *testing.B) {
				if msg, err := exec.Command(load, "-kind", kind, "-size", fmt.Sprint(size), file).CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, msg)
				}
				defer os.Remove(file)
				for _, jobs := range []int{1, 2} {
					b.Run(fmt.Sprintf("jobs=%d", jobs), func(b *testing.B) { compare(b, measure, file, jobs) })
				}
			})
		}
	}
}

type cost struct {
	events         int64
	wall, cpu, rss float64
}

func compare(b *testing.B, measure, file string, jobs int) {
	run := func(args ...string) (c cost) {
		out, err := exec.Command(measure, append(args, file)...).Output()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := fmt.Sscanf(string(out), "events %d wall %f cpu %f rss %f", &c.events, &c.wall, &c.cpu, &c.rss); err != nil {
			b.Fatalf("%v in %q", err, out)
		}
		return c
	}
	st, err := os.Stat(file)
	if err != nil {
		b.Fatal(err)
	}
	var drain, read cost
	var wall, cpu, took, peak, drained []float64
	for b.Loop() {
		drain = run("-how", "drain")
		read = run("-how", "read", "-jobs", fmt.Sprint(jobs))
		if drain.events != read.events {
			b.Errorf("read %d events, the drain %d", read.events, drain.events)
		}
		wall, cpu, took = append(wall, read.wall/drain.wall), append(cpu, read.cpu/drain.cpu), append(took, read.wall)
		peak, drained = append(peak, read.rss), append(drained, drain.rss)
	}
	b.ReportMetric(0, "ns/op") // of two processes together: means nothing
	b.ReportMetric(float64(read.events)/median(took), "events/s")
	b.ReportMetric(float64(st.Size())/1e6/median(took), "MB/s")
	b.ReportMetric(slices.Min(wall), "wall/drain-min")
	b.ReportMetric(median(wall), "wall/drain")
	b.ReportMetric(slices.Max(wall), "wall/drain-max")
	b.ReportMetric(median(cpu), "cpu/drain")
	b.ReportMetric(slices.Max(peak), "MB-peak")
	b.ReportMetric(slices.Max(drained), "MB-peak-drain")
	b.ReportMetric(largestGeneration(b, file)/1e6, "MB-generation")
}

// median returns the middle of numbers, the upper of two.
func median(of []float64) float64 { return slices.Sorted(slices.Values(of))[len(of)/2] }

func largestGeneration(b *testing.B, file string) (size float64) {
	f, err := os.Open(file)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	gens, _, err := scan(f, st.Size(), newestFormat)
	if err != nil {
		b.Fatal(err)
	}
	for i := range gens {
		size = max(size, float64(gens[i].size()))
	}
	return size
}
