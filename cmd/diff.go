package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
	"inquest/internal/account"
	"inquest/internal/compare"
	"inquest/report"
	"inquest/report/ci"
	"inquest/report/format"
	"inquest/report/terminal"
)

func diffCommand() *cobra.Command {
	var f diffFlags
	c := &cobra.Command{
		Use:   "diff BEFORE AFTER",
		Short: "Compare two sides of evidence and say whether something got worse",
		Long: `Compare two sides of evidence and say whether something got worse.

BEFORE and AFTER are each a file, a folder, an archive, or a quoted glob: profiles of
one run or of several, traces, dumps, output of go test -bench, or a saved JSON report.
Three or more runs per side tell a change from the noise between runs.

It exits 0 when nothing that counts got worse, 1 for a regression, 2 when it could
not run. Better in one respect and worse in another is a tradeoff: exit 0, or 1 with
--fail-on-tradeoff. What could not be compared is inconclusive, never a pass: exit 3
with --strict, else 0 with a line on stderr.`,
		Example: `  inquest diff good/ new/
  inquest diff 'base/cpu*.pb.gz' 'head/cpu*.pb.gz' --strict -o comment.md
  inquest diff base.json ./incident
  inquest diff old.txt new.txt              # output of go test -bench -count 10`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return failed("quote globs, or put the profiles of each side into a folder of its own", "diff wants two sides, BEFORE and AFTER, and got %d", len(args))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return runDiff(c, &f, args) },
	}
	c.Flags().StringArrayVarP(&f.output.files, "output", "o", nil, "write the comparison to `FILE`, in the format its extension names: "+format.Extensions()+" (repeatable)")
	c.Flags().StringVarP(&f.output.format, "format", "f", "", "write the comparison to stdout as `FORMAT`: "+strings.Join(format.Names(), ", ")+" (default text, or nothing with -o)")
	c.Flags().BoolVarP(&f.output.quiet, "quiet", "q", false, "say nothing on stderr but errors and that a verdict is inconclusive")
	f.output.registerRedact(c)
	f.output.registerSign(c)
	c.Flags().StringVar(&f.ops, "ops", "", "operations that each profile of a side covers, as `BEFORE,AFTER`: compare per operation")
	c.Flags().StringVar(&f.minEffect, "min-effect", "5%", "part of the whole that a function must have to count, and change by, as a part of its own; or an absolute `SIZE` such as 50ms or 10MB (per second)")
	c.Flags().StringArrayVar(&f.renames, "rename", nil, "a function or package has another name after, as `OLD=NEW` (repeatable)")
	c.Flags().BoolVar(&f.strict, "strict", false, "exit 3 when inconclusive")
	c.Flags().BoolVar(&f.failOnTradeoff, "fail-on-tradeoff", false, "exit 1 when something got better and something else worse")
	registerFollow(c, &f.follow)
	f.memory.register(c)
	c.Flags().IntVarP(&f.jobs, "jobs", "j", 0, "how many files to measure at once (0: one per processor)")
	return c
}

// diffFlags is the command line of diff.
type diffFlags struct {
	output         output
	ops, minEffect string
	renames        []string
	strict         bool
	failOnTradeoff bool
	jobs           int
	follow         bool
	memory         memoryFlag
}

func runDiff(c *cobra.Command, f *diffFlags, args []string) error {
	if err := f.output.check(c.Context()); err != nil {
		return err
	}
	opt, err := f.options()
	if err != nil {
		return err
	}
	ops, err := parseOps(f.ops)
	if err != nil {
		return err
	}
	if err := sameTokens(c, args); err != nil {
		return err
	}
	memory, err := f.memory.budget(c)
	if err != nil {
		return err
	}
	// Each side has its half, so that what is left out of one does not hang on the other.
	halves := memory.Split(len(args))
	var sides [2]*compare.Side
	var others [2][]string
	var said [2]bytes.Buffer
	var errs [2]error
	var both errgroup.Group
	for i, arg := range args {
		both.Go(func() error {
			errs[i] = guarded(func() (err error) {
				sides[i], others[i], err = readSide(c, arg, evidence.Options{Jobs: perSide(f.jobs), Stdin: c.InOrStdin(), Follow: f.follow, Memory: halves[i]}, f.output.quiet, &said[i])
				return err
			})()
			return nil
		})
	}
	_ = both.Wait()
	for i := range args {
		if _, err := said[i].WriteTo(c.ErrOrStderr()); err != nil {
			return err
		}
		if errs[i] != nil {
			return errs[i]
		}
		if ops[0] > 0 {
			sides[i].Ops = ops[i]
		}
	}
	if ops[0] == 0 {
		opsFromBenchmarks(c, sides)
	}
	work := compare.WorkOf(sides[0], sides[1], opt)
	opt.Work = &work
	if err := judgeSides(sides, &work); err != nil {
		return failed("", "%v", err)
	}
	for i, s := range sides {
		if quietLog(s) && !sides[1-i].Judged.Crashed() {
			return noEvidence(args[i])
		}
	}
	result := compare.Compare(sides[0], sides[1], opt)
	d := report.NewDiff(sides[0], sides[1], result, opt, others, Version, f.strict)
	d.Accounts = account.Changes(accountsOf(sides[0]), accountsOf(sides[1]))
	d.Argv, d.Tool.Revision = invocation(c, args), revision()
	d.Command = report.CommandLine(d.Argv)
	if d, err = f.output.redactedDiff(c, d); err != nil {
		return err
	}
	err = f.output.deliver(c, document{
		write: func(w io.Writer, f format.Format) error { return f.Diff(w, diffLocated(d, f)) },
		term:  func(w io.Writer, o terminal.Options) error { return terminal.WriteDiff(w, d, o) },
	})
	if err != nil {
		return err
	}
	switch result.Verdict {
	case compare.Regression:
		return exit{code: exitFindings, msg: ("regression: " + result.Why).String()}
	case compare.Tradeoff:
		if f.failOnTradeoff {
			return exit{code: exitFindings, msg: ("tradeoff: " + result.Why).String()}
		}
	case compare.Inconclusive:
		if f.strict {
			return exit{exitInconclusive, ("INCONCLUSIVE, not a pass: " + result.Why).String(), ""}
		}
		complain(c.ErrOrStderr(), ("INCONCLUSIVE, not a pass: " + result.Why).String())
		complain(c.ErrOrStderr(), "hint: --strict makes this exit 3")
	}
	return nil
}

func diffLocated(d *report.Diff, f format.Format) *report.Diff {
	if root := locate(f); root != "" {
		return ci.DiffUnder(d, root)
	}
	return d
}

// options reads the flags that steer the comparison.
func (f *diffFlags) options() (compare.Options, error) {
	opt := compare.Options{Rename: map[string]string{}}
	for _, r := range f.renames {
		from, to, ok := strings.Cut(r, "=")
		if !ok || from == "" || to == "" {
			return opt, failed("", "--rename %s: want OLD=NEW, names of functions or packages", r)
		}
		opt.Rename[from] = to
	}
	text := strings.TrimSpace(f.minEffect)
	if number, percent := strings.CutSuffix(text, "%"); percent {
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(v > 0 && v <= 100) {
			return opt, failed("", "--min-effect %s: want a part of the whole such as 5%%, or a size such as 50ms or 10MB", f.minEffect)
		}
		opt.MinEffect = v / 100
		return opt, nil
	}
	// An absolute size takes the place of the built-in floors; the part of the whole stays at its default.
	for _, unit := range []evidence.Unit{evidence.Nanoseconds, evidence.Bytes} {
		q, err := analyze.ParseQuantity(text, unit)
		if err != nil || q.Number <= 0 {
			continue
		}
		if unit == evidence.Nanoseconds {
			opt.Floors = map[evidence.Unit]float64{evidence.SecPerSec: q.Number / 1e9, evidence.Nanoseconds: q.Number}
		} else {
			opt.Floors = map[evidence.Unit]float64{evidence.BytesPerSec: q.Number, evidence.Bytes: q.Number}
		}
		return opt, nil
	}
	return opt, failed("", "--min-effect %s: want a part of the whole such as 5%%, or a size such as 50ms or 10MB", f.minEffect)
}

func parseOps(text string) (ops [2]float64, err error) {
	if text == "" {
		return ops, nil
	}
	before, after, ok := strings.Cut(text, ",")
	for i, s := range []string{before, after} {
		v, parseErr := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if !ok || parseErr != nil || !(v > 0 && v < 1e18) {
			return ops, failed("", "--ops %s: want BEFORE,AFTER, the operations that each profile of a side covers, such as 120000,118500", text)
		}
		ops[i] = v
	}
	return ops, nil
}

// perSide is how many files of each side are measured at once, so that both
// together keep to what the user allowed and to the memory that takes.
func perSide(jobs int) int {
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	return (jobs + 1) / 2
}

// readSide reads one side of a comparison: evidence, benchmark output and saved reports.
func readSide(c *cobra.Command, arg string, opt evidence.Options, quiet bool, stderr io.Writer) (*compare.Side, []string, error) {
	paths, err := expand(arg)
	if err != nil {
		return nil, nil, err
	}
	side := &compare.Side{Title: filepath.Base(filepath.Clean(arg))}
	var others, named []string
	var bench []string
	var saved []*report.Report
	for _, p := range paths {
		switch what(p) {
		case "report":
			r, err := readReport(c, p)
			if err != nil {
				return nil, nil, err
			}
			saved = append(saved, r)
			others = append(others, "report "+filepath.Base(p))
		case "bench":
			bench = append(bench, p)
		default:
			named = append(named, p)
			bench = append(bench, benchmarksIn(p)...)
		}
	}
	for _, p := range bench {
		others = append(others, "benchmarks "+filepath.Base(p))
	}
	if err := readBenchmarks(c, side, bench); err != nil {
		return nil, nil, err
	}
	for _, r := range saved {
		addSaved(side, r)
	}
	if len(named) > 0 {
		if err := readEvidence(c, side, arg, named, bench, opt, quiet, stderr); err != nil {
			return nil, nil, err
		}
	}
	return side, others, nil
}

// expand turns one argument into paths: itself when it exists, else what it matches.
func expand(arg string) ([]string, error) {
	if _, err := os.Lstat(arg); err == nil {
		return []string{arg}, nil
	} else if !strings.ContainsAny(arg, "*?[") {
		return nil, failed("", "%v", pathError(arg, err))
	}
	paths, err := filepath.Glob(arg)
	if err != nil {
		return nil, failed("", "%s: not a pattern: %v", arg, err)
	}
	if len(paths) == 0 {
		return nil, failed("", "%s: no file matches", arg)
	}
	slices.Sort(paths)
	return paths, nil
}

// readEvidence opens the evidence of a side.
func readEvidence(c *cobra.Command, side *compare.Side, arg string, paths, bench []string, opt evidence.Options, quiet bool, stderr io.Writer) error {
	bundle, err := openSide(c, paths, bench, opt, quiet, stderr)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(bundle.Exhibits, func(e *evidence.Exhibit) bool { return e.Coverage != evidence.None || e.Plain }) && side.Benchmarks.Empty() && len(side.Saved) == 0 && side.Judged == nil {
		return noEvidence(arg)
	}
	if len(bundle.Unreadable) > 0 {
		// A gate must not pass on evidence that was named and not read.
		return failed("", "%s could not be read", strings.Join(bundle.Unreadable, ", "))
	}
	side.Exhibits = bundle.Exhibits
	side.GOMAXPROCS, side.GoVersion = bundle.GOMAXPROCS(), bundle.GoVersion()
	return nil
}

func noEvidence(arg string) error {
	return failed("inquest inspect PATH says what a path holds", "no usable evidence in %s", arg)
}

// quietLog reports whether all that a side holds is text without evidence: beside a crash on the other side it says that there was none.
func quietLog(s *compare.Side) bool {
	return s.Benchmarks.Empty() && len(s.Saved) == 0 && !slices.ContainsFunc(s.Exhibits, func(e *evidence.Exhibit) bool { return e.Coverage != evidence.None }) &&
		slices.ContainsFunc(s.Exhibits, func(e *evidence.Exhibit) bool { return e.Plain })
}

// openSide opens evidence. What is wrong with files that are benchmark output is not said.
func openSide(c *cobra.Command, paths, bench []string, opt evidence.Options, quiet bool, stderr io.Writer) (*evidence.Bundle, error) {
	bundle, err := evidence.Open(c.Context(), paths, opt)
	if err != nil {
		return nil, failed("", "%v", err)
	}
	bundle.Exhibits = slices.DeleteFunc(bundle.Exhibits, func(e *evidence.Exhibit) bool {
		return e.Coverage == evidence.None && slices.ContainsFunc(bench, func(p string) bool { return filepath.Base(p) == filepath.Base(e.Path) })
	})
	for _, p := range bundle.PassedOver {
		if !quiet {
			complain(stderr, p.String())
		}
	}
	for _, e := range bundle.Exhibits {
		for _, p := range e.Problems {
			if !quiet || e.Coverage == evidence.None {
				complain(stderr, p.String())
			}
		}
	}
	return bundle, nil
}

// judgeSide runs the detectors over one side.
func judgeSide(bundle *evidence.Bundle) (*compare.Judged, error) {
	b := oneRun(bundle.Title, bundle.Exhibits)
	res, err := analyze.Run(b, detect.All, analyze.Options{})
	if err != nil {
		return nil, err
	}
	j := &compare.Judged{Findings: res.Findings, Chains: res.Chains, Verdicts: res.Verdicts}
	j.Looked(b.Exhibits)
	return j, nil
}

func oneRun(title string, exhibits []*evidence.Exhibit) *evidence.Bundle {
	return &evidence.Bundle{Title: title, Exhibits: compare.OneRun(exhibits)}
}

// judgeSides runs the detectors over the evidence of both sides, and those that found
// something on one side only, or something graver, once more with relaxed limits on the other: the further, the less of the
// work it did.
func judgeSides(sides [2]*compare.Side, work *compare.Work) error {
	var all errgroup.Group
	for _, s := range sides {
		if quietLog(s) {
			s.Judged = &compare.Judged{}
			continue
		}
		if !slices.ContainsFunc(s.Exhibits, func(e *evidence.Exhibit) bool { return e.Coverage != evidence.None }) {
			continue
		}
		all.Go(guarded(func() (err error) {
			s.Judged, err = judgeSide(&evidence.Bundle{Title: s.Title, Exhibits: s.Exhibits})
			return err
		}))
	}
	if err := all.Wait(); err != nil {
		return err
	}
	if sides[0].Judged == nil || sides[1].Judged == nil {
		return nil
	}
	sides[0].Judged.Work, sides[1].Judged.Work = work.More()
	for i, s := range sides {
		if doubtful := lacking(s.Judged, sides[1-i].Judged); len(doubtful) > 0 && len(s.Exhibits) > 0 {
			all.Go(guarded(func() (err error) {
				s.Judged.Near, err = judgeNear(s, doubtful)
				return err
			}))
		}
	}
	return all.Wait()
}

// accountsOf says where it all went on one side.
func accountsOf(s *compare.Side) []claim.Account {
	all, _ := analyze.Accounts(&evidence.Bundle{Title: s.Title, Exhibits: s.Exhibits})
	return all
}

// lacking lists the detectors whose findings on the other side are not on this one, or are milder.
func lacking(this, other *compare.Judged) []string {
	have := map[string]claim.Severity{}
	for _, f := range this.Findings {
		have[f.Fingerprint] = max(have[f.Fingerprint], f.Severity)
	}
	var out []string
	for _, f := range other.Findings {
		if s, ok := have[f.Fingerprint]; (!ok || s < f.Severity) && !slices.Contains(out, f.Detector) {
			out = append(out, f.Detector)
		}
	}
	return out
}

// judgeNear says how severe findings of some detectors are once every limit is relaxed.
func judgeNear(s *compare.Side, detectors []string) (map[string]claim.Severity, error) {
	limits := map[string]evidence.Quantity{}
	for _, d := range detect.All {
		for _, l := range d.Limits {
			q := l.Default
			switch {
			case strings.HasPrefix(l.Name, "min-"):
				q.Number *= compare.Hardly / s.Judged.Work
			case strings.HasPrefix(l.Name, "max-"):
				q.Number /= compare.Hardly / s.Judged.Work
			}
			limits[d.ID+"."+l.Name] = q
		}
	}
	// A report may name detectors that are no more.
	detectors = slices.DeleteFunc(detectors, func(id string) bool {
		return !slices.ContainsFunc(detect.All, func(d *claim.Detector) bool { return d.ID == id })
	})
	if len(detectors) == 0 {
		return nil, nil
	}
	res, err := analyze.Run(oneRun(s.Title, s.Exhibits), detect.All, analyze.Options{Limits: limits, Only: detectors})
	if err != nil {
		return nil, err
	}
	near := map[string]claim.Severity{}
	for _, f := range res.Findings {
		near[f.Fingerprint] = max(near[f.Fingerprint], f.Severity)
	}
	return near, nil
}

// sniffed is how much of a file is looked at to tell what it is.
const sniffed = 64 << 10

// what tells a saved report and benchmark output from evidence, by content.
func what(path string) string {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	head := make([]byte, sniffed)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return ""
	}
	head = head[:n]
	if bytes.HasPrefix(bytes.TrimSpace(head), []byte("{")) && bytes.Contains(head, []byte(`"inquest/report/`)) {
		return "report"
	}
	if isBenchmark(head) {
		return "bench"
	}
	return ""
}

// isBenchmark reports whether a text is output of go test -bench.
func isBenchmark(head []byte) bool {
	for line := range bytes.Lines(head) {
		fields := bytes.Fields(line)
		if len(fields) >= 4 && bytes.HasPrefix(fields[0], []byte("Benchmark")) && bytes.Contains(line, []byte("/op")) {
			if _, err := strconv.Atoi(string(fields[1])); err == nil {
				return true
			}
		}
	}
	return false
}

// benchmarksIn lists the files in a folder that are benchmark output.
func benchmarksIn(dir string) []string {
	var out []string
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil
	}
	const most = 10_000
	seen := 0
	_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if seen++; seen > most {
			return fs.SkipAll
		}
		if err == nil && d.Type().IsRegular() && what(p) == "bench" {
			out = append(out, p)
		}
		return nil
	})
	return out
}

func readBenchmarks(c *cobra.Command, side *compare.Side, files []string) error {
	if len(files) == 0 {
		return nil
	}
	b := &compare.Benchmarks{}
	for _, name := range files {
		data, err := readSmall(c.Context(), name)
		if err != nil {
			return failed("", "%v", err)
		}
		if err := b.Read(filepath.Base(name), bytes.NewReader(data)); err != nil {
			return failed("", "%v", pathError(name, err))
		}
	}
	if !b.Empty() {
		side.Benchmarks = b
	}
	return nil
}

// addSaved adds what a saved report says to a side.
func addSaved(side *compare.Side, r *report.Report) {
	side.Saved = append(side.Saved, report.Saved(r)...)
	side.GOMAXPROCS, side.GoVersion = max(side.GOMAXPROCS, r.Case.GOMAXPROCS), r.Case.GoVersion
	side.Judged = &compare.Judged{Findings: r.Findings, Chains: r.Chains, Verdicts: r.Verdicts}
	var kept []*evidence.Exhibit
	for _, e := range r.Exhibits {
		kept = append(kept, &evidence.Exhibit{Kind: e.Kind, Coverage: e.Coverage, Duration: time.Duration(e.Duration)})
	}
	side.Judged.Looked(kept)
}

// opsFromBenchmarks takes the operations of each profile from benchmark output,
// where both sides ran one and the same benchmark.
func opsFromBenchmarks(c *cobra.Command, sides [2]*compare.Side) {
	if !sides[0].Benchmarks.SameOne(sides[1].Benchmarks) {
		return
	}
	var profiles, results [2]int
	for i, s := range sides {
		byKind := map[evidence.Kind]int{}
		for _, e := range s.Exhibits {
			if e.Profile() != nil {
				byKind[e.Kind]++
				profiles[i] = max(profiles[i], byKind[e.Kind])
			}
		}
		results[i] = s.Benchmarks.Results()
	}
	if profiles[0] == 0 || profiles[1] == 0 {
		return
	}
	// Output that an earlier recording was added to would make everything look cheaper.
	if results[0]*profiles[1] != results[1]*profiles[0] || results[0]%profiles[0] != 0 {
		complain(c.ErrOrStderr(), fmt.Sprintf("the benchmark output does not fit the profiles: %d results for %d profiles before, %d for %d after; not compared per operation", results[0], profiles[0], results[1], profiles[1]))
		complain(c.ErrOrStderr(), "hint: keep one result per profile, or give --ops BEFORE,AFTER")
		return
	}
	for i, s := range sides {
		s.Ops = s.Benchmarks.Ops() / float64(profiles[i])
	}
}
