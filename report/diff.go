package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"golang.org/x/perf/benchunit"

	"inquest/analyze/claim"
	"inquest/analyze/compare"
	"inquest/analyze/evidence"
)

// DiffSchema names the JSON contract of a comparison. Fields are only ever added to it.
const DiffSchema = "inquest/diff/v1"

// Diff is the document of one comparison. docs/json.md describes it field by field.
type Diff struct {
	Schema   string       `json:"schema"`
	Tool     Tool         `json:"tool"`
	Command  string       `json:"command,omitempty"`      // that made it, without what only says where it goes
	Argv     []string     `json:"command_argv,omitempty"` // the same as words
	Redacted *Redaction   `json:"redacted,omitempty"`     // what was taken out; nil when nothing
	Settings DiffSettings `json:"settings"`
	Before   DiffSide     `json:"before"`
	After    DiffSide     `json:"after"`
	compare.Result
}

// DiffSettings are the choices a comparison was made with.
type DiffSettings struct {
	MinEffect evidence.Quantity   `json:"min_effect"` // part of the whole
	Floors    []evidence.Quantity `json:"floors"`     // absolute sizes that replace the built-in ones
	Renames   []Rename            `json:"renames"`
	Strict    bool                `json:"strict"`
}

// Rename is a function or package that has another name on the after side.
type Rename struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// DiffSide is one side of a comparison.
type DiffSide struct {
	Title      string    `json:"title"`
	GoVersion  string    `json:"go_version,omitempty"`
	GOMAXPROCS int       `json:"gomaxprocs,omitempty"`
	Ops        float64   `json:"ops,omitempty"` // operations each profile covers
	Exhibits   []Exhibit `json:"exhibits"`
	Others     []string  `json:"others"` // benchmark output and saved reports that were read
}

// NewDiff fills the document of a comparison.
func NewDiff(before, after *compare.Side, res *compare.Result, opt compare.Options, others [2][]string, version string, strict bool) *Diff {
	d := &Diff{Schema: DiffSchema, Tool: Tool{Name: "inquest", Version: version}, Result: *res}
	d.Settings.MinEffect = evidence.Of(opt.MinEffect, evidence.Share)
	if opt.MinEffect <= 0 {
		d.Settings.MinEffect.Number = compare.DefaultMinEffect
	}
	d.Settings.Strict = strict
	for u, f := range opt.Floors {
		d.Settings.Floors = append(d.Settings.Floors, evidence.Quantity{Number: f, Unit: u})
	}
	slices.SortFunc(d.Settings.Floors, func(a, b evidence.Quantity) int { return strings.Compare(string(a.Unit), string(b.Unit)) })
	for from, to := range opt.Rename {
		d.Settings.Renames = append(d.Settings.Renames, Rename{from, to})
	}
	slices.SortFunc(d.Settings.Renames, func(a, b Rename) int { return strings.Compare(a.From, b.From) })
	for i, s := range []*compare.Side{before, after} {
		side := DiffSide{Title: s.Title, GoVersion: s.GoVersion, GOMAXPROCS: s.GOMAXPROCS, Ops: s.Ops, Others: others[i]}
		for _, e := range s.Exhibits {
			side.Exhibits = append(side.Exhibits, exhibit(e))
		}
		if i == 0 {
			d.Before = side
		} else {
			d.After = side
		}
	}
	walk(reflect.ValueOf(d).Elem(), valid)
	return d
}

// Saved returns what a report keeps of quantities that can be compared with those of another case.
func Saved(r *Report) []compare.Saved {
	names := map[string]string{ // titles of bars
		"CPU time, by site":                         "CPU time",
		"live heap, by allocating site":             "live heap",
		"allocated since the start, by site":        "bytes allocated",
		"delay caused to others, by unlocking site": "delay caused by holding locks",
		"goroutines, by site":                       "goroutines",
		"leaked goroutines, by site":                "leaked goroutines",
		"waiting for locks, by site":                "waiting for locks",
	}
	exhibits := map[string]*Exhibit{}
	for i := range r.Exhibits {
		exhibits[r.Exhibits[i].ID] = &r.Exhibits[i]
	}
	var out []compare.Saved
	for _, b := range r.Bars {
		e, name := exhibits[b.Exhibit], names[b.Title.String()]
		if e == nil || name == "" {
			continue
		}
		s := compare.Saved{Exhibit: e.ID, Kind: e.Kind, Name: name, Duration: time.Duration(e.Duration), Total: b.Total.Number, Sites: map[string]float64{}}
		for _, row := range b.Rows {
			s.Sites[row.Site.Function] += row.Value.Number
		}
		for _, t := range e.Totals {
			if t.Name == "samples" || t.Name == "contentions" {
				s.Events = t.Number
			}
		}
		out = append(out, s)
	}
	return out
}

// DiffWriter writes one view of a comparison.
type DiffWriter func(io.Writer, *Diff) error

// diffFormats is in the order DiffFormats names them.
var diffFormats = []struct {
	name       string
	extensions []string
	write      DiffWriter
}{
	{"text", []string{".txt"}, guarded(inText, func(w io.Writer, d *Diff) error { return WriteDiffTerminal(w, d, TerminalOptions{}) })},
	{"markdown", []string{".md", ".markdown"}, guarded(inText, WriteDiffMarkdown)},
	{"html", []string{".html", ".htm"}, guarded(inMarkup, WriteDiffHTML)},
	{"json", []string{".json"}, WriteDiffJSON},
	{"sarif", []string{".sarif"}, guarded(inJSON, WriteDiffSARIF)},
	{"github", []string{".annotations"}, workflow(WriteDiffGitHub)},
	{"junit", []string{".xml"}, guarded(inMarkup, WriteDiffJUnit)},
}

// DiffFormats returns the names of the formats a comparison can be written in.
func DiffFormats() []string {
	var out []string
	for _, f := range diffFormats {
		out = append(out, f.name)
	}
	return out
}

// DiffExtensions lists the customary extensions of the formats, as a sentence names them.
func DiffExtensions() string {
	var out []string
	for _, f := range diffFormats {
		if len(f.extensions) > 0 {
			out = append(out, f.extensions[0])
		}
	}
	return listed(out)
}

// DiffForName returns the writer of a format, by its name or extension without the dot.
func DiffForName(name string) (DiffWriter, bool) {
	for _, f := range diffFormats {
		if f.name == name || slices.Contains(f.extensions, "."+name) {
			return f.write, true
		}
	}
	return nil, false
}

// DiffForFile returns the writer that a file's extension asks for.
func DiffForFile(file string) (DiffWriter, bool) {
	ext := strings.ToLower(path.Ext(file))
	for _, f := range diffFormats {
		if slices.Contains(f.extensions, ext) {
			return f.write, true
		}
	}
	return nil, false
}

// WriteDiffJSON writes d as the JSON contract.
func WriteDiffJSON(w io.Writer, d *Diff) error {
	return writeJSON(w, d, nil)
}

// cleanedDiff returns a deep copy in which every string is fit to be shown.
func cleanedDiff(d *Diff) *Diff {
	out := *d
	walk(reflect.ValueOf(&out).Elem(), clean)
	return &out
}

// diffView is a comparison arranged for reading.
type diffView struct {
	*Diff
}

func newDiffView(d *Diff) diffView { return diffView{cleanedDiff(d)} }

// Headline is the verdict in one sentence.
func (v diffView) Headline() string {
	return (claim.Legacy(capital(string(v.Verdict))) + ": " + claim.Legacy(v.Why.String())).String()
}

// row is a change that counts, with where it was measured.
type diffRow struct {
	compare.Change
	Measure *compare.Measure
	Kind    *compare.Kind
}

// Counted is every change that decides the verdict, worst first.
func (v diffView) Counted() []diffRow {
	var worse, better []diffRow
	for i := range v.Kinds {
		k := &v.Kinds[i]
		for j := range k.Measures {
			m := &k.Measures[j]
			if !m.Gates {
				continue
			}
			all := m.Changes
			if m.Whole.Counts && !slices.ContainsFunc(all, func(c compare.Change) bool { return c.Counts && c.Worse == m.Whole.Worse }) {
				all = append([]compare.Change{m.Whole}, all...)
			}
			for _, c := range all {
				switch {
				case c.Counts && c.Worse:
					worse = append(worse, diffRow{c, m, k})
				case c.Counts:
					better = append(better, diffRow{c, m, k})
				}
			}
		}
	}
	return append(worse, better...)
}

// Where names what a change is about.
func (r diffRow) Where() string {
	if r.Function == "" {
		return "the whole"
	}
	return r.Function
}

// Relative is how much it changed.
func (r diffRow) Relative() string { return relative(r.Change) }

func relative(c compare.Change) string {
	switch {
	case c.New():
		return "new"
	case c.Before.Number == 0:
		return "0 %"
	}
	return compare.Percent(c.Effect)
}

// Within says how sure a change is: its interval as parts of what it was before.
func (r diffRow) Within() string { return within(r.Change) }

func within(c compare.Change) string {
	if c.Before.Number == 0 || c.New() {
		return ""
	}
	return fmt.Sprintf("%s to %s", compare.Percent(c.Interval.Low/c.Before.Number), compare.Percent(c.Interval.High/c.Before.Number))
}

// Share is its part of the whole on both sides.
func (r diffRow) Share() string {
	return evidence.Of(r.Shares.Before, evidence.Share).String() + " → " + evidence.Of(r.Shares.After, evidence.Share).String()
}

// CallPath is the way to a function, shortened in the middle.
func CallPath(c compare.Change) string {
	p := c.Path
	if len(p) > 7 {
		p = slices.Concat(p[:2], []string{"..."}, p[len(p)-4:])
	}
	return strings.Join(p, " > ")
}

// perWord is what a measure's numbers are per, where their unit does not say so.
func perWord(m *compare.Measure) string {
	if m.Per == "operation" {
		return " per operation"
	}
	return ""
}

// methodWords says how a measure was tested.
func methodWords(m *compare.Measure) string {
	per := ""
	if m.Per == "second" {
		per = "per second of wall time, so more work counts as more cost: --ops BEFORE,AFTER compares per operation; "
	}
	test := "Student's test"
	switch m.Method {
	case compare.Permutation:
		test = "permutation and Student's test"
		fallthrough
	case compare.Moderated:
		return per + fmt.Sprintf("%s of %d against %d runs; two runs of one side differ by %s as a whole", test, m.Runs.Before, m.Runs.After, m.Noise)
	case compare.Sampling:
		return per + fmt.Sprintf("sampling theory only, %d against %d: how runs differ from each other is not in it; give three or more per side", m.Runs.Before, m.Runs.After)
	}
	return "the same bytes"
}

// sightWords says what change would have been seen.
func sightWords(m *compare.Measure) string {
	if m.Detectable.Number <= 0 {
		return ""
	}
	if m.Detectable.Number > 1 {
		return "so little was sampled that a function with a tenth of the whole could double and not be seen"
	}
	words := fmt.Sprintf("a change of %s in a function with a tenth of the whole would have been seen four times of five", evidence.Of(math.Ceil(m.Detectable.Number*100)/100, evidence.Share))
	const fifth = 0.2
	if times := m.Detectable.Number / fifth; times > 1 && m.Method != compare.Permutation {
		// What sampling hides shrinks with the root of the samples; how runs differ besides, does not.
		words += fmt.Sprintf(", and of a fifth with %.1f times as many samples a run", math.Ceil(10*times*times)/10)
	}
	return words
}

// benchNumber writes a number of a benchmark in the unit that benchmarks spell as unit.
func benchNumber(n float64, unit string) string {
	of := func(u evidence.Unit, n float64) string { return evidence.Quantity{Number: n, Unit: u}.String() }
	switch unit {
	case "sec/op":
		return of(evidence.Nanoseconds, n*1e9)
	case "B/op":
		return of(evidence.Bytes, n)
	case "B/s":
		return of(evidence.BytesPerSec, n)
	case "allocs/op":
		return of(evidence.Count, n)
	}
	return benchunit.Scale(n, benchunit.ClassOf(unit))
}

// benchWhat names what a benchmark's number is.
func benchWhat(unit string) string {
	switch unit {
	case "sec/op":
		return "time per operation"
	case "B/op":
		return "bytes per operation"
	case "allocs/op":
		return "allocations per operation"
	case "B/s":
		return "throughput"
	}
	return unit
}

// shortBenchmark is a benchmark's name without its package.
func shortBenchmark(name string) string {
	if i := strings.Index(name, ".Benchmark"); i >= 0 {
		return name[i+1:]
	}
	return name
}

// benchSure says how sure a benchmark's change is.
func benchSure(b compare.Benchmark) string {
	if len(b.Warnings) > 0 {
		return b.Warnings[0].String()
	}
	return fmt.Sprintf("q %s, %d against %d runs", probability(b.Q), b.Runs.Before, b.Runs.After)
}

// benchmarks lists the numbers of benchmarks, what changed first.
func (v diffView) benchmarks() []compare.Benchmark {
	all := slices.Clone(v.Benchmarks)
	rank := map[compare.Outcome]int{compare.Regression: 0, compare.Tradeoff: 1, compare.Inconclusive: 2, compare.Improvement: 3, compare.Pass: 4}
	slices.SortStableFunc(all, func(a, b compare.Benchmark) int { return cmp.Compare(rank[a.Verdict], rank[b.Verdict]) })
	return all
}

// trendWords says how the live heap of a side went, in one sentence and one for each site.
func trendWords(t compare.Trend) (sentence string, sites []string) {
	how := "no steady growth"
	if t.Rising {
		how = "more in every profile"
	}
	sentence = fmt.Sprintf("%s: live heap %s → %s over %s, %s: %s", t.Side, t.First, t.Last, evidence.Things(len(t.Exhibits), "profile"), t.Slope, how)
	for _, s := range t.Sites {
		sites = append(sites, fmt.Sprintf("%s: %s → %s", s.Function, s.First, s.Last))
	}
	return sentence, sites
}

// quantilesWords puts both sides of a distribution into words.
func quantilesWords(d compare.Distribution) string {
	at := func(n int64) string { return evidence.Of(n, evidence.Nanoseconds).String() }
	return fmt.Sprintf("half below %s → %s, 99 of 100 below %s → %s, longest %s → %s, %d → %d of them",
		at(d.Before.P50), at(d.After.P50), at(d.Before.P99), at(d.After.P99), at(d.Before.Max), at(d.After.Max), d.Before.Count, d.After.Count)
}

func kindWord(kind string) string { return compare.KindName(kind) }

func sideWords(s DiffSide) string {
	var parts []string
	n := map[evidence.Kind]int{}
	var kinds []evidence.Kind
	for _, e := range s.Exhibits {
		if e.Coverage == evidence.None {
			continue
		}
		if n[e.Kind] == 0 {
			kinds = append(kinds, e.Kind)
		}
		n[e.Kind]++
	}
	for _, k := range kinds {
		parts = append(parts, evidence.Things(n[k], k.Name()).String())
	}
	parts = append(parts, s.Others...)
	return s.Title + " (" + strings.Join(parts, ", ") + ")"
}
