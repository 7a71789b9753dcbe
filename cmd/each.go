package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/safe"
	"inquest/report"
	"inquest/report/format"
	"inquest/report/terminal"
)

// checkEach is check for --each: -o is a folder, and formats may be several.
func (o *output) checkEach(ctx context.Context) error {
	if err := o.checkRedact(ctx); err != nil {
		return err
	}
	switch {
	case len(o.files) > 1:
		return failed("", "--each takes one -o, the folder that the reports go into")
	case len(o.files) == 1:
		info, err := os.Stat(o.files[0])
		_, known := format.ByName(strings.TrimPrefix(filepath.Ext(o.files[0]), "."))
		if err == nil && !info.IsDir() || err != nil && known {
			return failed("with --each, -o names a folder, and -f the formats", "-o %s: not a folder", o.files[0])
		}
	}
	for _, name := range o.formats() {
		form, known := format.ByName(name)
		if len(o.files) == 0 {
			known = form.Index != nil
		}
		if !known {
			return failed(meant(name, format.Names(), ""), "--format %s: want %s", name, strings.Join(format.Names(), ", "))
		}
	}
	return o.readKey(ctx)
}

// formats lists what -f names.
func (o *output) formats() []string {
	if o.format == "" {
		if len(o.files) == 0 {
			return []string{"text"}
		}
		return []string{"html", "json"}
	}
	return strings.Split(o.format, ",")
}

// oneCase is a case of many.
type oneCase struct {
	name, path string
}

// casesIn lists the cases at the paths: sub-folders, archives and lone files of a
// folder, or what else is named.
func casesIn(paths []string, follow bool) (cases []oneCase, passed []evidence.PassedOver, err error) {
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, nil, failed("", "%v", pathError(p, err))
		}
		if !info.IsDir() {
			cases = append(cases, oneCase{filepath.Base(p), p})
			continue
		}
		names, over, err := evidence.Cases(p, follow)
		if err != nil {
			return nil, nil, failed("", "%v", pathError(p, err))
		}
		passed = append(passed, over...)
		for _, name := range names {
			cases = append(cases, oneCase{name, filepath.Join(p, name)})
		}
	}
	if len(cases) == 0 {
		return nil, nil, failed("--each takes folders that hold one folder, archive or file for each case", "no case in %s", strings.Join(paths, ", "))
	}
	return cases, passed, nil
}

// runEach analyses the cases, several at once, and keeps of each only its line in the index.
func runEach(c *cobra.Command, f *analyzeFlags, paths []string, opt analyze.Options, failOn claim.Severity) error {
	if slices.Contains(paths, "-") {
		return failed("", "--each takes folders, not standard input")
	}
	cases, passed, err := casesIn(paths, f.follow)
	if err != nil {
		return err
	}
	for _, p := range passed {
		if !f.output.quiet {
			complain(c.ErrOrStderr(), p.String())
		}
	}
	dir := ""
	if len(f.output.files) == 1 {
		dir = f.output.files[0]
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return failed("", "%v", pathError(dir, err))
		}
	}
	opt.Evidence.Found = true
	e := &each{c: c, flags: f, opt: opt, failOn: failOn, dir: dir, names: map[string]bool{"index": true}}
	e.index = report.NewIndex(report.Tool{Name: "inquest", Version: Version, Revision: revision()}, slices.Insert(invocation(c, paths), 2, "--each"))
	step, done := caseProgress(c.ErrOrStderr(), len(cases), f.output.quiet)
	read := e.all(cases, step)
	done()
	if read < len(cases) {
		complain(c.ErrOrStderr(), fmt.Sprintf("interrupted: the index covers the first %d of %d cases", len(e.index.Cases), len(cases)))
		e.worst = exitFailed
	}
	if len(e.index.Cases) == 0 && e.worst == exitDone {
		return failed("--each takes folders that hold one folder, archive or file for each case", "no evidence in %s", strings.Join(paths, ", "))
	}
	return e.finish()
}

// each is the work on many cases.
type each struct {
	c      *cobra.Command
	flags  *analyzeFlags
	opt    analyze.Options
	failOn claim.Severity
	dir    string
	alone  sync.RWMutex    // held to write by a case that needs the whole budget
	names  map[string]bool // of reports that have been written
	index  *report.Index
	worst  int // exit code so far
	failed int // cases with findings that count
}

// all analyses the cases on all processors, and returns how many were begun before an interrupt. Reports are
// redacted, written and indexed in the order of the cases, so that nothing hangs on which was ready first.
func (e *each) all(cases []oneCase, step func(string)) int {
	jobs := e.opt.Evidence.Jobs
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	workers := min(e.opt.Evidence.Memory.Jobs(jobs), len(cases))
	parts := e.opt.Evidence.Memory.Split(workers)
	turns := make([]chan judgement, len(cases))
	for i := range turns {
		turns[i] = make(chan judgement) // without room: who is done early waits, so that no more than one report for each worker is held
	}
	var next atomic.Int64
	for _, part := range parts {
		opt := e.opt
		opt.Evidence.Jobs, opt.Evidence.Memory = max(1, jobs/workers), part
		go func() {
			for i := next.Add(1) - 1; int(i) < len(cases); i = next.Add(1) - 1 {
				if e.c.Context().Err() != nil {
					close(turns[i])
					continue
				}
				turns[i] <- e.one(cases[i], opt)
			}
		}()
	}
	for i, turn := range turns {
		step(cases[i].name)
		j, begun := <-turn
		if !begun {
			// Nobody begins another case after an interrupt, but others may have begun before and wait to hand theirs over.
			for _, later := range turns[i+1:] {
				<-later
			}
			return i
		}
		e.add(cases[i], j)
	}
	return len(cases)
}

// judgement is what came of one case: why it cannot be analysed, or its report; neither where nothing in it is evidence.
type judgement struct {
	report  *report.Report
	written [][]byte // the report in each format; nil where redaction, whose tokens are given out in order, comes first
	verdict exit
	why     claim.Text
}

// one analyses one case, within its part of the budget; where that is too small, once more with the whole, alone.
func (e *each) one(one oneCase, opt analyze.Options) judgement {
	e.alone.RLock()
	j, short := e.judged(one, opt)
	e.alone.RUnlock()
	if short && opt.Evidence.Memory != e.opt.Evidence.Memory {
		e.alone.Lock()
		j, _ = e.judged(one, e.opt)
		e.alone.Unlock()
	}
	return j
}

// judged analyses one case, and says whether it was short of memory. Whatever goes wrong with it is its line in the index.
func (e *each) judged(one oneCase, opt analyze.Options) (j judgement, short bool) {
	defer func() {
		if p := recover(); p != nil {
			j = judgement{why: claim.Said(bug(p))}
		}
	}()
	bundle, err := evidence.Open(e.c.Context(), []string{one.path}, opt.Evidence)
	if bundle == nil || err != nil && !errors.Is(err, context.Canceled) {
		return judgement{why: claim.Textf("%v", err)}, false
	}
	defer bundle.Free()
	if len(bundle.Exhibits) == 0 {
		return judgement{}, bundle.Short
	}
	if why := unusable(bundle); why != "" {
		return judgement{why: why}, bundle.Short
	}
	r, err := judged(bundle, opt, invocation(e.c, []string{one.path}))
	if err != nil {
		return judgement{why: claim.Textf("%v", err)}, bundle.Short
	}
	j.report = r
	if e.flags.output.redact == "" {
		if j.written, err = e.render(r); err != nil {
			return judgement{why: claim.Textf("%v", err)}, bundle.Short
		}
	}
	errors.As(judge(r, e.failOn, bundle), &j.verdict)
	return j, bundle.Short
}

func bug(p any) string { return fmt.Sprintf("a bug of ours: %v", p) }

// add writes the reports of a case and enters it in the index.
func (e *each) add(one oneCase, j judgement) {
	defer func() {
		if p := recover(); p != nil {
			e.fail(one, claim.Said(bug(p)))
		}
	}()
	if j.why != "" {
		e.fail(one, j.why)
		return
	}
	if j.report == nil {
		// A folder of sources or settings beside the cases; what was left empty by mistake is named too.
		r := e.flags.output.redacted(&report.Report{Case: report.Case{Title: one.name}})
		e.index.PassedOver = append(e.index.PassedOver, r.Case.Title)
		return
	}
	e.worst = max(e.worst, j.verdict.code)
	if j.verdict.code == exitFindings {
		e.failed++
	}
	r := e.flags.output.redacted(j.report)
	e.index.Redacted = r.Redacted
	files, err := e.write(r, j.written)
	if err != nil {
		e.fail(one, claim.Textf("%v", err))
		return
	}
	e.index.Cases = append(e.index.Cases, format.IndexEntry(r, files))
}

// unusable says why nothing of a case can be used; empty when something can.
func unusable(b *evidence.Bundle) claim.Text {
	var problems []claim.Text
	for _, e := range b.Exhibits {
		if e.Coverage != evidence.None {
			return ""
		}
		problems = append(problems, e.Problems...)
	}
	if len(problems) == 0 {
		return "it holds the manifest of a capture and no evidence"
	}
	const most = 2
	why := claim.Join(problems[:min(len(problems), most)], "; ")
	if len(problems) > most {
		why += claim.Textf("; and %d more", len(problems)-most)
	}
	return why
}

// fail enters a case that could not be analysed.
func (e *each) fail(one oneCase, why claim.Text) {
	e.worst = exitFailed
	// Its name and what is wrong are redacted as a report of it would be.
	r := e.flags.output.redacted(&report.Report{Case: report.Case{Title: one.name}, Exhibits: []report.Exhibit{{Path: one.name, Problems: []claim.Text{why}}}})
	e.index.Fail(r.Case.Title, r.Exhibits[0].Problems[0].String())
}

// render makes a case's report in every format asked for.
func (e *each) render(r *report.Report) ([][]byte, error) {
	if e.dir == "" {
		return nil, nil
	}
	var out [][]byte
	for _, name := range e.flags.output.formats() {
		form, _ := format.ByName(name)
		var b bytes.Buffer
		if err := form.Report(&b, located(r, form)); err != nil {
			return nil, err
		}
		out = append(out, b.Bytes())
	}
	return out, nil
}

// write writes a case's report, rendered already or not, into the folder.
func (e *each) write(r *report.Report, written [][]byte) ([]string, error) {
	files := []string{}
	if e.dir == "" {
		return files, nil
	}
	if written == nil {
		var err error
		if written, err = e.render(r); err != nil {
			return nil, err
		}
	}
	name := fileName(r.Case.Title)
	for n, plain := 2, name; e.names[strings.ToLower(name)]; n++ {
		name = fmt.Sprintf("%s-%d", plain, n)
	}
	e.names[strings.ToLower(name)] = true
	for i, f := range e.flags.output.formats() {
		form, _ := format.ByName(f)
		file := name + form.Extensions[0]
		if err := e.flags.output.put(filepath.Join(e.dir, file), written[i]); err != nil {
			return nil, pathError(file, err)
		}
		files = append(files, file)
	}
	return files, nil
}

// fileName makes a name that every system takes of a case's.
func fileName(title string) string {
	name := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("-_.", r) {
			return r
		}
		return '_'
	}, title)
	if r := []rune(strings.Trim(name, ".")); len(r) > 0 {
		return string(r[:min(len(r), 100)])
	}
	return "case"
}

// finish writes the index and decides the exit code.
func (e *each) finish() error {
	o := &e.flags.output
	if o.redact != "" {
		called := o.redacted(&report.Report{Argv: e.index.Argv})
		e.index.Argv, e.index.Command = called.Argv, called.Command
	}
	if err := o.keepTokens(e.c); err != nil {
		return err
	}
	if e.dir == "" {
		var err error
		stdout := e.c.OutOrStdout()
		if o.format == "" || o.format == "text" {
			err = terminal.WriteIndex(stdout, e.index, screen(stdout))
		} else {
			form, _ := format.ByName(o.format)
			err = form.Index(raw(stdout), e.index)
		}
		if err != nil {
			return failed("", "writing the index: %v", err)
		}
	} else if err := e.writeIndex(); err != nil {
		return err
	}
	switch {
	case e.worst == exitFailed:
		return exit{exitFailed, "some cases could not be analysed, or only in part: the index says which", ""}
	case e.failed > 0:
		return exit{code: exitFindings, msg: fmt.Sprintf("%d of %s with findings at or above %s", e.failed, evidence.Things(len(e.index.Cases), "case"), e.failOn)}
	}
	return nil
}

// writeIndex writes the index in every form that the reports have, and as a page and JSON in any case.
func (e *each) writeIndex() error {
	forms := []string{"html", "json"}
	for _, f := range e.flags.output.formats() {
		if form, _ := format.ByName(f); form.Index != nil && !slices.Contains(forms, form.Name) {
			forms = append(forms, form.Name)
		}
	}
	for _, form := range append(forms, "markdown") {
		f, _ := format.ByName(form)
		extension := f.Extensions[0]
		var b bytes.Buffer
		if err := f.Index(&b, e.index); err != nil {
			return failed("", "index%s: %v", extension, err)
		}
		if err := e.flags.output.put(filepath.Join(e.dir, "index"+extension), b.Bytes()); err != nil {
			return failed("", "%v", pathError("index"+extension, err))
		}
	}
	if over := e.index.PassedOver; len(over) > 0 && !e.flags.output.quiet {
		complain(e.c.ErrOrStderr(), "passed over, as nothing in it is evidence: "+strings.Join(over, ", "))
	}
	if !e.flags.output.quiet {
		complain(e.c.ErrOrStderr(), fmt.Sprintf("wrote %s; begin with %s", evidence.Things(len(e.names)-1, "report"), filepath.Join(e.dir, "index.html")))
	}
	return nil
}

// caseProgress shows on a terminal how many cases are done.
func caseProgress(stderr io.Writer, total int, quiet bool) (step func(name string), finish func()) {
	f, ok := onTerminal(stderr)
	if !ok || quiet {
		return func(string) {}, func() {}
	}
	bar := progressbar.NewOptions(total, progressbar.OptionSetWriter(f), progressbar.OptionShowCount(), progressbar.OptionSetWidth(24),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
	begun := 0
	return func(name string) {
			bar.Describe(safe.Clean(name))
			_ = bar.Set(begun)
			begun++
		}, func() {
			_ = bar.Finish()
			_ = bar.Clear()
		}
}
