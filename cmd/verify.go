package cmd

import (
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
	"inquest/internal/safe"
	"inquest/report"
)

func verifyCommand() *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify REPORT.json PATH...",
		Short: "Check a report: its evidence, its content and its signature",
		Long: `Check a report: its evidence, its content and its signature.

PATH is what the report was made from: files, folders, archives, or - for standard input.

  evidence   each file is ok, changed, missing, unhashed (the report holds no hash of it) or
             extra (the report does not name it). A file that was renamed is known by its bytes,
             and so is every file of a redacted report
  content    the report is what the hash that it carries says
  replay     the evidence is analysed again, with the limits, focus, detectors and baseline that the
             report names, and gives the same report, every field of it
  signature  with --verify-key: REPORT.json.sig was made by one of the keys; without PATH this and the
             content are all that is checked, and the file may be any that inquest wrote

A hash alone proves little: who changes a report can make a new one. The replay needs the version of
inquest that wrote the report.

Exit codes: 0 all of it holds; 1 something does not; 2 something could not be read; 3 nothing is wrong
as far as could be checked, but the replay could not be made or could not decide, and the answer says why.`,
		Example: `  inquest verify report.json ./incident
  inquest verify --replay=false report.json ./incident      # hashes only
  inquest verify --verify-key allowed_signers report.json ./incident`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) == 1 && f.keys == "" {
				return failed("inquest verify REPORT.json PATH...", "verify wants a saved report, and the evidence it was made from")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return runVerify(c, &f, args[0], args[1:]) },
	}
	c.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "list only what is not ok")
	c.Flags().IntVarP(&f.jobs, "jobs", "j", 0, "how many files to read at once (0: one per processor, one to hash)")
	f.memory.register(c)
	c.Flags().BoolVar(&f.replay, "replay", true, "analyse the evidence again and compare the whole report; false checks hashes only")
	c.Flags().StringVar(&f.mapping, "redact-map", "", "the `FILE` of tokens that the report was redacted with")
	c.Flags().StringVar(&f.keys, "verify-key", "", "check the signature REPORT.json.sig: a public SSH key, or an allowed_signers `FILE` as ssh-keygen reads it")
	return c
}

// verifyFlags is the command line of verify.
type verifyFlags struct {
	quiet, replay bool
	jobs          int
	mapping, keys string
	memory        memoryFlag
}

// verification is one run of verify. What is wrong is collected, so that one answer says it all.
type verification struct {
	*verifyFlags
	c       *cobra.Command
	name    string // of the report's file
	report  *report.Report
	bad     []string // what does not hold
	unread  []string // what could not be read
	unknown []string // why something could not be decided
}

func runVerify(c *cobra.Command, f *verifyFlags, name string, paths []string) error {
	v := &verification{verifyFlags: f, c: c, name: name}
	if f.keys != "" {
		if err := v.signature(); err != nil {
			return err
		}
	}
	if len(paths) == 0 && what(name) != "report" {
		return v.outcome()
	}
	var err error
	if v.report, err = readReport(c, name); err != nil {
		return err
	}
	v.content()
	if len(paths) > 0 {
		if err := v.evidence(paths); err != nil {
			return err
		}
	}
	return v.outcome()
}

// outcome decides the exit code.
func (v *verification) outcome() error {
	switch {
	case len(v.unread) > 0:
		return exit{code: exitFailed, msg: strings.Join(append(v.unread, v.bad...), "; ")}
	case len(v.bad) > 0:
		return exit{code: exitFindings, msg: strings.Join(v.bad, "; ")}
	case len(v.unknown) > 0:
		return exit{code: exitInconclusive, msg: "not verified: " + strings.Join(v.unknown, "; ")}
	}
	return nil
}

func (v *verification) line(what, format string, args ...any) {
	fmt.Fprintln(v.c.OutOrStdout(), safe.Clean(fmt.Sprintf("%-10s  %s", what, fmt.Sprintf(format, args...))))
}

// good prints a line about what holds.
func (v *verification) good(what, format string, args ...any) {
	if !v.quiet {
		v.line(what, format, args...)
	}
}

// content holds the report to the hash that it carries.
func (v *verification) content() {
	switch r := v.report; {
	case r.SelfHash == "":
		v.line("content", "unhashed: %s holds no hash of itself", v.name)
		v.bad = append(v.bad, "the report holds no hash of its content")
	case r.Altered():
		v.line("content", "changed: %s is not what its hash %s says", v.name, r.SelfHash)
		v.bad = append(v.bad, "the report was changed after it was written")
	default:
		v.good("content", "ok: sha256 %s", r.SelfHash)
	}
}

// evidence checks the files, and the report against what they give.
func (v *verification) evidence(paths []string) error {
	memory, err := v.memory.budget(v.c)
	if err != nil {
		return err
	}
	opt := evidence.Options{Jobs: v.jobs, Memory: memory, Stdin: v.c.InOrStdin(), Follow: v.report.Followed()}
	if slices.Contains(paths, "-") { // it is read twice
		spooled, err := evidence.Spool(v.c.Context(), opt.Stdin)
		if err != nil {
			return failed("", "standard input: %v", err)
		}
		defer spooled.Close()
		opt.Stdin = spooled
	}
	files, unreadable, err := evidence.Hash(v.c.Context(), paths, opt)
	if err != nil {
		return failed("", "%v", err)
	}
	if len(unreadable) > 0 {
		return failed("", "%s: cannot be read", strings.Join(unreadable, ", "))
	}
	all, renamed := v.files(files)
	switch {
	case !v.replay:
		v.good("replay", "not asked for: hashes alone do not show that the report says what the evidence gives")
		return nil
	case !all:
		v.line("replay", "not made: it needs the files as they were")
		return nil
	}
	if s, ok := opt.Stdin.(io.Seeker); ok {
		_, _ = s.Seek(0, io.SeekStart)
	}
	opt.Names = renamed
	return v.again(paths, opt)
}

// files lists what became of each file, and returns whether all are as they were and the names that
// those had which have others now.
func (v *verification) files(files []evidence.File) (all bool, renamed map[string]string) {
	count := map[string]int{}
	renamed = map[string]string{}
	for _, one := range report.Verify(v.report, files) {
		count[one.Result]++
		says := one.Path
		switch {
		case one.Result == report.Intact && one.Found != "":
			says += "  found as " + one.Found
			renamed[one.Found] = one.Path
		case one.Result == report.Intact:
		case one.Result == report.Changed:
			says += fmt.Sprintf("  sha256 was %s, is %s", one.SHA256, one.Is)
			if one.Found != "" {
				says += "; " + one.Found + " has the bytes"
			}
		case one.Result == report.Lost && v.report.Redacted != nil:
			says += "  no file has the bytes with sha256 " + one.SHA256
		case one.Result == report.Lost:
			says += "  sha256 was " + one.SHA256
		case one.Result == report.Unhashed:
			says += "  the report holds no hash of it"
		case one.Result == report.Extra:
			says += "  not in the report"
		case one.Result == report.Unreadable:
			says += "  " + one.Why
		}
		if one.Result != report.Intact {
			v.line(one.Result, "%s", says)
		} else {
			v.good(one.Result, "%s", says)
		}
	}
	var said []string
	for _, result := range []string{report.Intact, report.Changed, report.Lost, report.Unhashed, report.Unreadable, report.Extra} {
		if count[result] > 0 {
			said = append(said, fmt.Sprintf("%d %s", count[result], result))
		}
	}
	v.good("evidence", "%s", strings.Join(said, ", "))
	if count[report.Unreadable] > 0 {
		v.unread = append(v.unread, "some evidence could not be read")
	}
	if count[report.Changed]+count[report.Lost]+count[report.Extra] > 0 {
		v.bad = append(v.bad, "the evidence is not what the report was made from")
	}
	switch {
	case count[report.Unhashed] > 0:
		v.bad = append(v.bad, "the report does not hold the hash of all its evidence")
	case count[report.Intact] == 0:
		v.bad = append(v.bad, "the report holds no hash to check")
	}
	if v.report.Redacted != nil {
		clear(renamed) // its names are tokens
	}
	return count[report.Intact] > 0 && len(said) == 1, renamed
}

// again makes the report a second time and compares all of it.
func (v *verification) again(paths []string, opt evidence.Options) error {
	r := v.report
	if r.Tool.Version != Version {
		why := fmt.Sprintf("the report was made by inquest %s, and this is %s: a replay needs inquest %s", word(r.Tool.Version), Version, word(r.Tool.Version))
		v.line("replay", "not made: %s", why)
		v.unknown = append(v.unknown, why)
		return nil
	}
	if r.Redacted != nil && r.Focus != nil && (r.Focus.Label != "" || r.Focus.Task != "") {
		const why = "the label or task that the report was narrowed to is redacted"
		v.line("replay", "not made: %s", why)
		v.unknown = append(v.unknown, why)
		return nil
	}
	o := output{mapping: v.mapping}
	if r.Redacted != nil {
		o.redact = r.Redacted.Level
	}
	if err := o.checkRedact(v.c.Context()); err != nil {
		return err
	}
	var again *report.Report
	var bundle *evidence.Bundle
	settings, err := settingsOf(r)
	if err == nil {
		opt.Focus = settings.Evidence.Focus
		settings.Evidence = opt
		if bundle, err = evidence.Open(v.c.Context(), paths, opt); err == nil {
			again, err = judged(bundle, settings, r.Argv)
		}
	}
	if v.c.Context().Err() != nil {
		return failed("", "interrupted")
	}
	if bundle != nil && bundle.Short {
		const why = "not all of the evidence fits into the memory budget; --memory gives more"
		v.line("replay", "not made: %s", why)
		v.unknown = append(v.unknown, why)
		return nil
	}
	if err != nil { // of a setting that no inquest of this version takes
		v.line("replay", "fails: %v", err)
		v.bad = append(v.bad, "the settings that the report names cannot be those it was made with")
		return nil
	}
	different, err := report.Differences(r, o.redacted(again))
	if err != nil {
		return failed("", "%v", err)
	}
	v.compared(append(called(r), different...), settings, paths)
	return nil
}

// compared says how the report and its replay differ.
func (v *verification) compared(different []report.Difference, settings analyze.Options, paths []string) {
	r := v.report
	otherBuild := r.Tool.Revision != revision()
	if len(different) == 0 {
		v.good("replay", "ok: the evidence gives this report%s", with(r, settings))
		if otherBuild {
			v.good("note", "the report names revision %s, and this build is %s", word(r.Tool.Revision), word(revision()))
		}
		if r.Redacted == nil && len(r.Argv) > 2 && !slices.Contains(r.Argv, claim.PathArgument(portable(paths[0]))) {
			v.good("note", "the evidence was called otherwise when the report was made: %s", report.CommandLine(r.Argv))
		}
		if r.Redacted != nil {
			v.good("note", "redacted: which name a token stands for was not checked%s", accepting(r))
		}
		return
	}
	const most = 5
	for _, d := range different[:min(len(different), most)] {
		v.line("differs", "%s: %s in the report, %s by replay", d.Path, cutText(d.Was), cutText(d.Is))
	}
	if n := len(different) - most; n > 0 {
		v.line("differs", "and in %s more", evidence.Things(n, "place"))
	}
	if otherBuild {
		why := fmt.Sprintf("the replay gives another report, but the report names revision %s of inquest %s and this build is %s: only that revision can tell", word(r.Tool.Revision), Version, word(revision()))
		v.line("replay", "undecided%s", with(r, settings))
		v.unknown = append(v.unknown, why)
		return
	}
	v.line("replay", "the evidence gives another report%s", with(r, settings))
	v.bad = append(v.bad, "the report does not say what its evidence gives")
}

func word(s string) string {
	if s == "" {
		return "of no name"
	}
	return s
}

// accepting says what of a baseline a redacted report leaves open.
func accepting(r *report.Report) string {
	if slices.ContainsFunc(r.Findings, func(f claim.Finding) bool { return f.Accepted }) {
		return ", nor which findings the baseline held"
	}
	return ""
}

// with says what the analysis was given beside the evidence: who changes a report may
// have chosen other settings.
func with(r *report.Report, opt analyze.Options) string {
	var parts []string
	for _, l := range r.Limits {
		parts = append(parts, "--limit "+l.Name+"="+strings.ReplaceAll(l.Quantity.String(), " ", ""))
	}
	if len(opt.Only) > 0 {
		parts = append(parts, "--only "+strings.Join(opt.Only, ","))
	}
	if len(opt.Skip) > 0 {
		parts = append(parts, "--skip "+strings.Join(opt.Skip, ","))
	}
	if n := len(r.Baseline); n > 0 {
		parts = append(parts, "a baseline of "+evidence.Things(n, "finding").String())
	}
	if f := r.Focus; f != nil {
		for _, set := range [][2]string{{"--label ", f.Label}, {"--task ", f.Task}, {"--window ", strings.Trim(f.From+","+f.To, ",")}} {
			if set[1] != "" {
				parts = append(parts, set[0]+set[1])
			}
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return ", with " + strings.Join(parts, " ")
}

// cutText keeps a value to one line.
func cutText(s string) string {
	const most = 100
	if s == "" {
		return "nothing"
	}
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}

// settingsOf returns what a report says it was made with.
func settingsOf(r *report.Report) (analyze.Options, error) {
	opt := analyze.Options{Only: r.Only, Skip: r.Skip, Accepted: r.Baseline, Limits: map[string]evidence.Quantity{}}
	for _, l := range r.Limits {
		opt.Limits[l.Name] = l.Quantity
	}
	if f := r.Focus; f != nil {
		focus := &opt.Evidence.Focus
		focus.Task = f.Task
		if key, value, ok := strings.Cut(f.Label, "="); ok {
			focus.Label = [2]string{key, value}
		}
		if f.From != "" || f.To != "" {
			var err error
			if focus.From, focus.To, err = evidence.ParseWindow(f.From + "," + f.To); err != nil {
				return opt, err
			}
		}
	}
	return opt, nil
}

// called holds the command and the title of a report to its settings. What a config file
// added is in the settings alone.
func called(r *report.Report) []report.Difference {
	wrong := func(field, was, is string) []report.Difference {
		return []report.Difference{{Path: field, Was: was, Is: is}}
	}
	words := r.Argv
	if r.Command != report.CommandLine(words) || len(words) < 3 || words[0] != "inquest" || words[1] != "analyze" {
		return wrong("command", r.Command, "inquest analyze PATH...")
	}
	c := analyzeCommand()
	if err := c.Flags().Parse(words[2:]); err != nil {
		return wrong("command", r.Command, err.Error())
	}
	get := func(name string) string { return c.Flags().Lookup(name).Value.String() }
	list := func(name string) []string {
		values, err := c.Flags().GetStringSlice(name)
		if err != nil {
			values, _ = c.Flags().GetStringArray(name)
		}
		return values
	}
	config := get("config") != ""

	limits := map[string]evidence.Quantity{}
	for _, setting := range list("limit") {
		name, q, err := analyze.ParseLimit(detect.All, setting)
		if err != nil {
			return wrong("command", r.Command, err.Error())
		}
		limits[name] = q
	}
	have := map[string]evidence.Quantity{}
	for _, l := range r.Limits {
		if _, given := limits[l.Name]; given || !config {
			have[l.Name] = l.Quantity
		}
	}
	if !maps.Equal(limits, have) {
		return wrong("command", r.Command, "other limits, in limits")
	}
	var unasked []string
	labelled := analyze.Options{Evidence: evidence.Options{Focus: evidence.Focus{Label: [2]string{get("label")}}}}
	for _, d := range labelled.Unasked(detect.All) {
		unasked = append(unasked, d.ID)
	}
	for name, have := range map[string][]string{"only": r.Only, "skip": r.Skip} {
		want := list(name)
		if name == "skip" && len(unasked) > 0 {
			want = append(want, unasked...)
			if !c.Flags().Changed(name) && config && !slices.ContainsFunc(unasked, func(id string) bool { return !slices.Contains(have, id) }) {
				continue
			}
		}
		if (c.Flags().Changed(name) || !config) && !sameSet(want, have) {
			return wrong("command", r.Command, name+" "+strings.Join(have, ","))
		}
	}
	if len(r.Baseline) > 0 && get("baseline") == "" && !config {
		return wrong("command", r.Command, "a baseline")
	}
	var focus report.Focus
	if r.Focus != nil {
		focus = *r.Focus
	}
	from, to, err := evidence.Moment{}, evidence.Moment{}, error(nil)
	if w := get("window"); w != "" {
		from, to, err = evidence.ParseWindow(w)
	}
	if err != nil || get("label") != focus.Label || get("task") != focus.Task || from.String() != focus.From || to.String() != focus.To {
		return wrong("command", r.Command, "what focus says")
	}

	paths := c.Flags().Args()
	title := path.Base(paths[0])
	switch {
	case len(paths) > 1:
		title = fmt.Sprintf("%d inputs", len(paths))
	case paths[0] == "-":
		title = "stdin"
	case title == "." || title == "..", r.Redacted != nil: // named by the folder it was called in, or by a token
		return nil
	}
	if title != r.Case.Title {
		return wrong("case.title", r.Case.Title, title)
	}
	return nil
}

func sameSet(a, b []string) bool {
	sorted := func(s []string) []string { return slices.Compact(slices.Sorted(slices.Values(s))) }
	return slices.Equal(sorted(a), sorted(b))
}
