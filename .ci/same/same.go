// Command same holds two builds of inquest against each other: what one writes of every fixture, the other must
// write byte for byte. It is for changes that move code and mean to change nothing else.
//
//	go build -o before . && git switch change && go build -o after .
//	go run ./.ci/same before after
//	go run ./.ci/same -quick before after     the JSON alone, which every other format is a view of
//
// Both run in this folder over the same cases: every folder of fixtures that holds evidence, every pair of
// fixtures/goker. Compared are all formats of analyze, the JSON of each level of redaction and of a window of time, inspect, diff
// of each fixture with its fixed twin, explain, and with each what is said on stderr and the exit code. Left out is what no two builds share:
// their own version and revision, and the checksum of the report that has these in it.
package main

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"inquest/analyze/detect"
)

func main() {
	quick := flag.Bool("quick", false, "compare the JSON of analyze alone")
	only := flag.String("only", "", "compare the cases alone whose path holds `TEXT`")
	flag.BoolVar(&sentencesAlone, "nospans", false, "leave out the spans of sentences, and with them what redaction makes of a report")
	workers := flag.Int("workers", 2, "cases at a time")
	flag.Parse()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: same [-quick] [-only TEXT] BEFORE AFTER")
		os.Exit(2)
	}
	started := time.Now()
	jobs, cases, err := plan(*quick, *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "same:", err)
		os.Exit(2)
	}
	binaries := [2]string{}
	for i := range binaries {
		if binaries[i], err = filepath.Abs(flag.Arg(i)); err != nil {
			fmt.Fprintln(os.Stderr, "same:", err)
			os.Exit(2)
		}
	}
	r := result{}
	queue := make(chan job)
	var wait sync.WaitGroup
	for range *workers {
		wait.Go(func() {
			for j := range queue {
				r.compare(j, binaries)
			}
		})
	}
	for _, j := range jobs {
		queue <- j
	}
	close(queue)
	wait.Wait()
	fmt.Printf("same: %d outputs of %d cases, %d bytes, %d differ (%s)\n", r.outputs, cases, r.bytes, len(r.differ), time.Since(started).Round(time.Second))
	if len(r.differ) > 0 {
		slices.SortFunc(r.differ, func(a, b difference) int { return cmp.Compare(a.of, b.of) })
		for _, d := range r.differ[:min(len(r.differ), 20)] {
			fmt.Println("  " + d.of)
		}
		fmt.Println(r.differ[0].says)
		os.Exit(1)
	}
	if r.outputs == 0 {
		fmt.Fprintln(os.Stderr, "same: nothing to compare")
		os.Exit(2)
	}
}

// job is one run of each binary: a command line, and the formats that go into files besides.
type job struct {
	args  []string
	files []string // extensions
}

// plan lists what to run, and counts the cases.
func plan(quick bool, only string) ([]job, int, error) {
	cases, err := findCases()
	if err != nil {
		return nil, 0, err
	}
	cases = slices.DeleteFunc(cases, func(paths []string) bool { return !strings.Contains(paths[0], only) })
	var jobs []job
	add := func(paths []string, files string, args ...string) {
		jobs = append(jobs, job{append(args, paths...), strings.Fields(files)})
	}
	for _, paths := range cases {
		if quick {
			add(paths, "", "analyze", "-f", "json")
			continue
		}
		add(paths, "json md html sarif xml", "analyze", "-f", "text")
		add(paths, "", "analyze", "-f", "github")
		if !sentencesAlone {
			add(paths, "", "analyze", "-f", "json", "--redact=names")
			add(paths, "", "analyze", "-f", "json", "--redact=strict")
		}
		add(paths, "", "analyze", "-f", "json", "--window=200ms,700ms")
		add(paths, "", "inspect")
		if fixed := paths[0] + "-fixed"; len(paths) == 1 && isFolder(fixed) {
			add([]string{fixed, paths[0]}, "json md html", "diff")
		}
	}
	if quick || only != "" {
		return jobs, len(cases), nil
	}
	add(nil, "", "explain")
	for _, d := range detect.All {
		add(nil, "", "explain", d.ID)
	}
	return jobs, len(cases), nil
}

func isFolder(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// findCases returns the paths of each case: a folder that says what is true of it, or the files of one program of fixtures/goker.
func findCases() ([][]string, error) {
	var cases [][]string
	err := filepath.WalkDir("fixtures", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "truth.yaml" {
			cases = append(cases, []string{filepath.Dir(name)})
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	pairs, err := filepath.Glob("fixtures/goker/*.gz")
	slices.Sort(pairs)
	for _, name := range pairs {
		last := len(cases) - 1
		stem := func(s string) string { return s[:strings.IndexByte(s, '.')] }
		if last >= 0 && stem(cases[last][0]+".") == stem(name) {
			cases[last] = append(cases[last], name)
		} else {
			cases = append(cases, []string{name})
		}
	}
	return cases, err
}

type difference struct{ of, says string }

type result struct {
	mu             sync.Mutex
	outputs, bytes int
	differ         []difference
}

func (r *result) compare(j job, binaries [2]string) {
	var sides [2]map[string][]byte
	for i, binary := range binaries {
		sides[i] = run(binary, j)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(sides[0])) {
		a, b := sides[0][name], sides[1][name]
		r.outputs++
		r.bytes += len(a)
		if !bytes.Equal(a, b) {
			of := "inquest " + strings.Join(j.args, " ") + ": " + name
			r.differ = append(r.differ, difference{of, first(a, b)})
		}
	}
}

// run returns what a binary writes: its files by extension, stdout, and stderr with the exit code.
func run(binary string, j job) map[string][]byte {
	out := map[string][]byte{}
	dir, err := os.MkdirTemp("", "same")
	if err != nil {
		return map[string][]byte{"failed": []byte(err.Error())}
	}
	defer os.RemoveAll(dir)
	args := slices.Clone(j.args)
	for _, ext := range j.files {
		args = append(args, "-o", filepath.Join(dir, "report."+ext))
	}
	c := exec.Command(binary, args...)
	c.Env = append(os.Environ(), "GITHUB_STEP_SUMMARY=", "NO_COLOR=1", "GOMAXPROCS=1")
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	_ = c.Run() // the exit code tells
	out["stdout"] = normal(stdout.Bytes())
	out["stderr"] = fmt.Appendf(bytes.ReplaceAll(stderr.Bytes(), []byte(dir), []byte("DIR")), "exit code %d\n", c.ProcessState.ExitCode())
	for _, ext := range j.files {
		text, err := os.ReadFile(filepath.Join(dir, "report."+ext))
		if err != nil {
			text = []byte("not written")
		}
		out["."+ext] = normal(text)
	}
	return out
}

// ours is what two builds need not have in common: their version and revision where the report names them, and the
// report's checksum, which is over the version too.
var ours = regexp.MustCompile(`("name": "inquest",\s+"(?:version|semanticVersion)": )"[^"]*"(?:,\s+"revision": "[^"]*")?|(inquest )\d+\.\d+\.\d[^ <"\n]*(?: \([0-9a-f]+(?:\+dirty)?\))?|(content(?:_| )sha256(?:": ")? ?)[0-9a-f]+`)

// spans is what a report says of its sentences for redaction.
var spans = regexp.MustCompile(`,\n "spans": \{[^}]*\}`)

// sentencesAlone says to leave it out.
var sentencesAlone bool

func normal(text []byte) []byte {
	if sentencesAlone {
		text = spans.ReplaceAll(text, nil)
	}
	return ours.ReplaceAll(text, []byte("$1$2$3"))
}

// first shows where two texts begin to differ.
func first(a, b []byte) string {
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	around := func(s []byte) string {
		return fmt.Sprintf("%q", s[max(0, at-120):min(len(s), at+200)])
	}
	return fmt.Sprintf("first at byte %d (of %d and %d)\n  before: %s\n  after:  %s", at, len(a), len(b), around(a), around(b))
}
