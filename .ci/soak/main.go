// Command soak attacks inquest for as long as it is given: structure-aware mutants
// of the recorded evidence go through the whole command line (every detector, every
// format, redaction, diff, render, verify), then every fuzz target of the repository runs in turn.
//
//	go run ./.ci/soak -for 30m
//	go run ./.ci/soak -for 0 -mutants 10000 -seed 1     mutants only, the same ones each time
//
// It exits 1 when a mutant ends the process, panics, hangs, takes too much memory or is
// neither used nor named, and leaves that mutant in -keep.
package main

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"inquest/.ci/mutate"
)

func main() {
	length := flag.Duration("for", 30*time.Minute, "how long in all; the mutants come first, the fuzz targets share what is left")
	mutants := flag.Int("mutants", 10_000, "how many mutants")
	seed := flag.Uint64("seed", 1, "of the mutants")
	first := flag.Int("first", 0, "number of the first mutant, to see one again with -mutants 1")
	jobs := flag.Int("jobs", runtime.GOMAXPROCS(0), "mutants at a time")
	patience := flag.Duration("patience", 20*time.Second, "how long one mutant may take")
	memory := flag.Int64("memory", 1<<30, "bytes of memory that one mutant may take")
	keep := flag.String("keep", "soak-failures", "folder for what failed")
	worker := flag.Bool("worker", false, "serve a parent on standard input")
	flag.Parse()

	seeds, err := findSeeds()
	if err != nil {
		fatal(err)
	}
	if *worker {
		serve(seeds, *seed)
		return
	}
	started := time.Now()
	s := &soak{patience: *patience, memory: *memory, keep: *keep, seed: *seed, seeds: seeds, sums: map[mutate.Kind]*sum{}}
	s.run(*first, *mutants, *jobs)
	bad := s.print(time.Since(started))
	if left := *length - time.Since(started); left > time.Minute {
		bad = fuzz(left) || bad
	}
	if bad {
		os.Exit(1)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "soak:", err)
	os.Exit(2)
}

// soak is one run over mutants.
type soak struct {
	patience time.Duration
	memory   int64
	keep     string
	seed     uint64
	seeds    map[mutate.Kind][]string

	mu   sync.Mutex
	sums map[mutate.Kind]*sum
	kept int
}

// sum is what became of the mutants of one kind.
type sum struct {
	mutants, past                                      int
	ended, recovered, hung, unnamed, greedy, malformed int
	slowest                                            time.Duration
	slowestAt                                          int
	peak                                               int64
	peakAt                                             int
}

func (s *sum) bad() int {
	return s.ended + s.recovered + s.hung + s.unnamed + s.greedy + s.malformed
}

// run has every mutant tried by one of several child processes. A child that dies or hangs
// costs its mutant a line and is replaced.
func (s *soak) run(first, count, jobs int) {
	next := make(chan int)
	var all sync.WaitGroup
	for range max(jobs, 1) {
		all.Go(func() {
			var w *child
			for i := range next {
				if w == nil {
					var err error
					if w, err = s.start(); err != nil {
						fatal(err)
					}
				}
				r, err := w.try(i, s.patience)
				if err != nil {
					w.kill()
					w = nil
				}
				s.note(i, r, err)
			}
			if w != nil {
				w.kill()
			}
		})
	}
	for i := first; i < first+count; i++ {
		next <- i
	}
	close(next)
	all.Wait()
}

// errHung is a mutant that took longer than the patience.
var errHung = errors.New("hung")

func (s *soak) note(i int, r result, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kind := kindOf(i)
	x := s.sums[kind]
	if x == nil {
		x = &sum{}
		s.sums[kind] = x
	}
	x.mutants++
	if r.Past {
		x.past++
	}
	if r.Took > x.slowest {
		x.slowest, x.slowestAt = r.Took, i
	}
	if r.Peak > x.peak {
		x.peak, x.peakAt = r.Peak, i
	}
	what := ""
	switch {
	case errors.Is(err, errHung):
		x.hung++
		what = fmt.Sprintf("took more than %v", s.patience)
	case err != nil:
		x.ended++
		what = "ended the process: " + err.Error()
	case r.Recovered != "":
		x.recovered++
		what = r.Recovered
	case r.Unnamed != "":
		x.unnamed++
		what = r.Unnamed
	case r.Malformed != "":
		x.malformed++
		what = r.Malformed
	case r.Peak > s.memory:
		x.greedy++
		what = fmt.Sprintf("took %d MB of memory", r.Peak>>20)
	default:
		return
	}
	file := filepath.Join(s.keep, fmt.Sprintf("%d.%s", i, kind))
	fmt.Printf("mutant %d (%s) %s\n", i, kind, what)
	if s.kept++; s.kept <= 100 {
		if err := os.MkdirAll(s.keep, 0o750); err == nil {
			_ = os.WriteFile(file, newMutant(s.seeds, s.seed, i).data, 0o640)
		}
	}
}

// print writes the table and reports whether anything was wrong.
func (s *soak) print(took time.Duration) (bad bool) {
	fmt.Printf("\nmutants, %v:\n%-8s %8s %12s %6s %9s %6s %8s %7s %10s %16s %16s\n", took.Round(time.Second),
		"kind", "mutants", "past header", "ended", "recovered", "hung", "unnamed", "greedy", "malformed", "slowest", "most memory")
	for _, kind := range mutate.Kinds {
		x := s.sums[kind]
		if x == nil {
			continue
		}
		fmt.Printf("%-8s %8d %6d %4.0f%% %6d %9d %6d %8d %7d %10d %8s #%-7d %6d MB #%-6d\n", kind, x.mutants, x.past, 100*float64(x.past)/float64(x.mutants),
			x.ended, x.recovered, x.hung, x.unnamed, x.greedy, x.malformed, x.slowest.Round(time.Millisecond), x.slowestAt, x.peak>>20, x.peakAt)
		bad = bad || x.bad() > 0
	}
	return bad
}

// child is a process of ours that tries mutants, so that what ends it ends no more.
type child struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan answer
	stderr  *tail
}

type answer struct {
	result
	err error
}

func (s *soak) start() (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(self, "-worker", fmt.Sprintf("-seed=%d", s.seed)), answers: make(chan answer, 1), stderr: &tail{}}
	c.cmd.Stderr = c.stderr
	// Soft: what a mutant takes is measured, and what is garbage should not count.
	c.cmd.Env = append(os.Environ(), "GOMAXPROCS=2", fmt.Sprintf("GOMEMLIMIT=%d", s.memory))
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	go func() {
		d := json.NewDecoder(bufio.NewReader(out))
		for {
			var r result
			if err := d.Decode(&r); err != nil {
				c.answers <- answer{err: err}
				return
			}
			c.answers <- answer{result: r}
		}
	}()
	return c, c.cmd.Start()
}

func (c *child) try(i int, patience time.Duration) (result, error) {
	if _, err := fmt.Fprintln(c.in, i); err != nil {
		return result{}, errors.Join(err, errors.New(c.stderr.String()))
	}
	select {
	case a := <-c.answers:
		if a.err != nil {
			_ = c.cmd.Wait()
			return result{}, fmt.Errorf("%v: %s", a.err, c.stderr)
		}
		return a.result, nil
	case <-time.After(patience):
		return result{Took: patience}, errHung
	}
}

func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// tail keeps the head of what a child says at its end: the message of a crash comes first.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	const most = 2000
	t.text = append(t.text, p[:min(len(p), max(0, most-len(t.text)))]...)
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}

// kindOf deals the kinds round: traces, profiles and texts alike, archives less often.
func kindOf(i int) mutate.Kind {
	return []mutate.Kind{mutate.Trace, mutate.Profile, mutate.Text, mutate.Trace, mutate.Profile, mutate.Text, mutate.Archive}[i%7]
}

// findSeeds lists the recorded evidence of the repository that is small enough to be tried often.
func findSeeds() (map[mutate.Kind][]string, error) {
	seeds := map[mutate.Kind][]string{}
	for _, root := range []string{"fixtures", "analyze"} {
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err != nil || info.Size() == 0 || info.Size() > 400<<10 {
				return err
			}
			if kind, ok := seedKind(path); ok {
				seeds[kind] = append(seeds[kind], path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for kind, files := range seeds {
		slices.SortFunc(files, cmp.Compare[string])
		seeds[mutate.Archive] = append(seeds[mutate.Archive], files[:min(len(files), 40)]...)
		if len(files) == 0 {
			return nil, fmt.Errorf("no seeds of kind %s", kind)
		}
	}
	if len(seeds) < len(mutate.Kinds) {
		return nil, errors.New("run it at the top of the repository: seeds are missing")
	}
	slices.Sort(seeds[mutate.Archive])
	return seeds, nil
}
