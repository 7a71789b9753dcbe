package detect_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/goccy/go-yaml"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/stack"
)

// gokerBug is a real concurrency bug of the collection in Go's own tests, with the
// leaks that the driver of these tests expects: patterns over a goroutine's
// outermost function and its state.
type gokerBug struct {
	Name  string   `yaml:"name"`
	Leaks []string `yaml:"leaks"`
}

// leaked is where a leaked goroutine blocks, and in what.
type leaked struct{ function, class string }

// gokerClasses tells what a goroutine's state is called in a report.
var gokerClasses = []struct{ state, class string }{
	{"chan ", "channel"}, {"select", "select"}, {"sync.WaitGroup.Wait", "wait group"}, {"sync.Cond.Wait", "condition"},
	{"sync.Mutex.", "lock"}, {"sync.RWMutex.", "lock"},
}

// TestGoker counts of how many bugs the report names a function in which a leaked
// goroutine blocks and what it blocks in: from a plain dump of the young program, and from
// its leak profile. -v prints the table.
func TestGoker(t *testing.T) {
	dir := filepath.Join(fixtures(), "goker")
	text, err := os.ReadFile(filepath.Join(dir, "leaks.yaml"))
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("INQUEST_FIXTURES") != "" {
		t.Skip("the fresh recording is of cases only")
	}
	if err != nil {
		t.Fatal(err)
	}
	var bugs []gokerBug
	if err := yaml.Unmarshal(text, &bugs); err != nil {
		t.Fatal(err)
	}
	if len(bugs) < 62 {
		t.Fatalf("only %d bugs", len(bugs))
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "bug\tblocks in\tdump\tleak profile")
	recorded, named := 0, map[string]int{}
	for _, bug := range bugs {
		if _, err := os.Stat(filepath.Join(dir, bug.Name+".txt.gz")); err != nil {
			fmt.Fprintf(w, "%s\tdid not leak when it was recorded\n", bug.Name)
			continue
		}
		recorded++
		plain, profile := gokerOpen(t, filepath.Join(dir, bug.Name+".txt.gz")), gokerOpen(t, filepath.Join(dir, bug.Name+".pb.gz"))
		if plain.Exhibits[0].Dump() == nil {
			t.Errorf("%s: not a dump: %v", bug.Name, plain.Exhibits[0].Problems)
			continue
		}
		truth := bug.leaked(t, plain.Exhibits[0].Dump())
		if len(truth) == 0 {
			t.Errorf("%s: no goroutine of the dump is one of the leaks that are expected", bug.Name)
			continue
		}
		row := []string{bug.Name, fmt.Sprint(truth)}
		for _, x := range []struct {
			kind string
			b    *evidence.Bundle
		}{{"dump", plain}, {"leak profile", profile}} {
			if by := names(run(t, x.b).Findings, truth); by != "" {
				named[x.kind]++
				row = append(row, by)
			} else {
				row = append(row, "MISSED")
			}
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush()
	t.Logf("\n%sof %d bugs %d leaked; %d are named from a plain dump alone, %d from the leak profile", table.String(), len(bugs), recorded, named["dump"], named["leak profile"])
	// The rarest of them leaks twice in a hundred runs and may not have done so.
	if recorded < len(bugs)-1 {
		t.Errorf("only %d of %d bugs were recorded", recorded, len(bugs))
	}
	if 10*named["dump"] < 9*len(bugs) {
		t.Errorf("a plain dump alone names %d of %d", named["dump"], len(bugs))
	}
	if named["leak profile"] < recorded {
		t.Errorf("the leak profile names %d of %d", named["leak profile"], recorded)
	}
}

func gokerOpen(t *testing.T, name string) *evidence.Bundle {
	t.Helper()
	b, err := evidence.Open(t.Context(), []string{name}, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// leaked returns where the goroutines block that fit the bug's patterns.
func (b gokerBug) leaked(t *testing.T, d *dump.Dump) []leaked {
	var out []leaked
	for i := range d.Goroutines {
		g := &d.Goroutines[i]
		if len(g.Frames) == 0 {
			continue
		}
		line := g.Frames[len(g.Frames)-1].Function + "(...) [" + g.State + "]"
		if !slices.ContainsFunc(b.Leaks, func(p string) bool { return regexp.MustCompile(p).MatchString(line) }) {
			continue
		}
		at := slices.IndexFunc(g.Frames, func(f dump.Frame) bool { return strings.HasPrefix(f.Function, "main.") })
		class := slices.IndexFunc(gokerClasses, func(c struct{ state, class string }) bool { return strings.HasPrefix(g.State, c.state) })
		if at < 0 || class < 0 {
			t.Errorf("%s: goroutine %d: no function of the program, or an unknown state %q", b.Name, g.ID, g.State)
			continue
		}
		if l := (leaked{stack.Normal(g.Frames[at].Function), gokerClasses[class].class}); !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}

// names returns the detector of the first finding that names one of the leaks:
// the function among its sites, what it blocks in in its words.
func names(findings []claim.Finding, truth []leaked) string {
	for _, f := range findings {
		if f.Detector != "deadlock" && f.Detector != "goroutine-leak" {
			continue
		}
		for _, l := range truth {
			if slices.ContainsFunc(f.Sites, func(s claim.Site) bool { return s.Function == l.function }) && strings.Contains(f.Summary.String(), l.class) {
				return fmt.Sprintf("%s (%s, %s)", f.Detector, f.Severity, f.Confidence)
			}
		}
	}
	return ""
}
