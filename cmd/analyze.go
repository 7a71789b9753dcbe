package cmd

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
	"inquest/report"
)

func analyzeCommand() *cobra.Command {
	var f analyzeFlags
	c := &cobra.Command{
		Use:   "analyze PATH...",
		Short: "Analyse the evidence of one case and report what happened",
		Long: `Analyse the evidence of one case and report what happened.

PATH is a file, a folder, a .zip or .tar.gz archive, a FIFO, or - for standard input. Kinds are
told by content, never by name: pprof profiles, execution traces, goroutine dumps, and logs
that hold dumps, crashes, race reports, gctrace or schedtrace lines.`,
		Example: `  inquest analyze ./incident
  inquest analyze cpu.pb.gz trace.out dump.txt -o report.html -o report.json
  inquest analyze ./incident --fail-on warning --baseline known.json
  inquest analyze --each ./incidents -o reports/
  inquest analyze ./incident --redact=strict -o to-the-vendor.html`,
		Args: needPaths,
		RunE: func(c *cobra.Command, paths []string) error { return runAnalyze(c, &f, paths) },
	}
	f.output.register(c)
	c.Flags().StringVar(&f.failOn, "fail-on", "", "exit 1 when a finding is at or above `SEVERITY`: info, warning, critical")
	c.Flags().StringArrayVar(&f.limits, "limit", nil, "override a limit, as `DETECTOR.LIMIT=VALUE` (repeatable; inquest explain lists them)")
	c.Flags().StringVar(&f.config, "config", "", "read limits and choices from a YAML `FILE` (default: the nearest "+configName+", from the working folder upwards; empty: none)")
	c.Flags().StringVar(&f.baseline, "baseline", "", "known findings that do not count for --fail-on: a saved JSON report or a `FILE` of fingerprints")
	c.Flags().StringSliceVar(&f.only, "only", nil, "run only these detectors, `ID,...`")
	c.Flags().StringSliceVar(&f.skip, "skip", nil, "leave out these detectors, `ID,...`")
	c.Flags().StringVar(&f.label, "label", "", "look only at samples and goroutines that carry the label `KEY=VALUE`")
	c.Flags().StringVar(&f.task, "task", "", "look only at user tasks of the type `NAME`, in traces")
	c.Flags().StringVar(&f.window, "window", "", "look only at the time `FROM,TO`: offsets from the start of the trace (1.2s,3s) or RFC 3339 times; either may be empty")
	c.Flags().IntVarP(&f.jobs, "jobs", "j", 0, "how many files, or with --each cases, to measure at once (0: one per processor)")
	f.memory.register(c)
	c.Flags().BoolVar(&f.each, "each", false, "every folder, archive or file in PATH is a case of its own: write a report for each into the folder of -o, and an index")
	registerFollow(c, &f.follow)
	return c
}

// analyzeFlags is the command line of analyze, with what the config file adds.
type analyzeFlags struct {
	output                   output
	failOn, config, baseline string
	limits, only, skip       []string
	label, task, window      string
	jobs                     int
	memory                   memoryFlag
	each, follow             bool
}

func needPaths(_ *cobra.Command, paths []string) error {
	if len(paths) == 0 {
		return failed("give a file, a folder, an archive, or - for standard input", "no evidence named")
	}
	return nil
}

func runAnalyze(c *cobra.Command, f *analyzeFlags, paths []string) error {
	// Everything that can be wrong with the command line is said before any work is done.
	check := f.output.check
	if f.each {
		check = f.output.checkEach
	}
	if err := check(c.Context()); err != nil {
		return err
	}
	if err := f.findConfig(c, paths); err != nil {
		return err
	}
	if f.config != "" {
		if err := f.readConfig(c); err != nil {
			return err
		}
	}
	failOn, err := parseFailOn(f.failOn)
	if err != nil {
		return err
	}
	opt := analyze.Options{Only: f.only, Skip: f.skip, Limits: map[string]evidence.Quantity{}}
	for _, setting := range f.limits {
		name, q, err := analyze.ParseLimit(detect.All, setting)
		if err != nil {
			limit, _, _ := strings.Cut(setting, "=")
			return failed(meant(limit, limitNames(), "inquest explain DETECTOR lists its limits"), "%v", err)
		}
		opt.Limits[name] = q
	}
	if f.baseline != "" {
		if opt.Accepted, err = readBaseline(c, f.baseline); err != nil {
			return err
		}
	}
	if err := knownDetectors(slices.Concat(f.only, f.skip)); err != nil {
		return err
	}
	focus, err := f.focus()
	if err != nil {
		return err
	}
	opt.Evidence = evidence.Options{Jobs: f.jobs, Focus: focus, Follow: f.follow}
	for _, d := range opt.Unasked(detect.All) {
		if slices.Contains(f.only, d.ID) {
			return failed("", "--label with --only %s: %s", d.ID, d.Everybody)
		}
	}
	if opt.Evidence.Memory, err = f.memory.budget(c); err != nil {
		return err
	}
	if f.each {
		return runEach(c, f, paths, opt, failOn)
	}

	bundle, err := open(c, paths, opt.Evidence, f.output.quiet)
	if err != nil {
		return err
	}
	r, err := judged(bundle, opt, invocation(c, paths))
	if err != nil {
		return failed("", "%v", err)
	}
	if err := f.output.write(c, r); err != nil {
		return err
	}
	return judge(r, failOn, bundle)
}

// judged makes the report of a bundle.
func judged(b *evidence.Bundle, opt analyze.Options, argv []string) (*report.Report, error) {
	result, err := analyze.Judge(b, detect.All, opt)
	if err != nil {
		return nil, err
	}
	return report.New(result, report.Version(Version), report.Made(argv, revision())), nil
}

// focus reads what the analysis is to be restricted to.
func (f *analyzeFlags) focus() (evidence.Focus, error) {
	focus := evidence.Focus{Task: f.task}
	if f.label != "" {
		key, value, ok := strings.Cut(f.label, "=")
		if !ok || key == "" {
			return focus, failed("", "--label %s: want KEY=VALUE", f.label)
		}
		focus.Label = [2]string{key, value}
	}
	if f.window != "" {
		var err error
		if focus.From, focus.To, err = evidence.ParseWindow(f.window); err != nil {
			return focus, failed("", "--window %v", err)
		}
	}
	return focus, nil
}

// severityNames are what --fail-on takes.
var severityNames = []string{claim.Info.String(), claim.Warning.String(), claim.Critical.String(), "never"}

func parseFailOn(text string) (claim.Severity, error) {
	if text == "" || text == "never" {
		return claim.Critical + 1, nil
	}
	var s claim.Severity
	if err := s.UnmarshalText([]byte(text)); err != nil || s == claim.NoSeverity {
		return 0, failed(meant(text, severityNames, ""), "--fail-on %s: want info, warning, critical or never", text)
	}
	return s, nil
}

// judge decides the exit code of an analysis.
func judge(r *report.Report, failOn claim.Severity, b *evidence.Bundle) error {
	if len(b.Unreadable) > 0 {
		// A gate must not pass on evidence that was named and not read.
		return exit{code: exitFailed}
	}
	failing := 0
	for _, f := range r.Findings {
		if f.Severity >= failOn && !f.Accepted {
			failing++
		}
	}
	if failing > 0 {
		return exit{code: exitFindings, msg: fmt.Sprintf("%d of %d findings at or above %s", failing, len(r.Findings), failOn)}
	}
	return nil
}

func knownDetectors(ids []string) error {
	for _, id := range ids {
		if !slices.ContainsFunc(detect.All, func(d *claim.Detector) bool { return d.ID == id }) {
			return failed(meant(id, detectorIDs(), "inquest explain lists the detectors"), "no detector %q", id)
		}
	}
	return nil
}
