package cmd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/capture"
	"inquest/internal/safe"
	"inquest/recorder/manifest"
	"inquest/report/format"
)

// captureFlags is the command line of capture.
type captureFlags struct {
	outputs                []string // the case's folder, and files for the report
	dir                    string
	report                 output
	seconds, traceSeconds  int
	only, skip             []string
	together, gc           bool
	maxGoroutines, retries int
	maxBytes               string
	timeout                time.Duration
	ca, cert, key          string
	insecure, dryRun       bool
	analyze                bool
	memory                 memoryFlag
	pid                    int
	yes                    bool

	bytes int64
}

func captureCommand() *cobra.Command {
	var f captureFlags
	c := &cobra.Command{
		Use:   "capture URL -o DIR",
		Short: "Collect the evidence of a running program into a folder",
		Long: `Collect the evidence of a running program into a folder that analyze opens.

  capture URL -o DIR               from a net/http/pprof server
  capture -o DIR -- COMMAND...     run a Go program and keep what its runtime writes to stderr
  capture --pid PID --yes -o DIR   end a local process with SIGQUIT and keep its goroutine dump

URL is http://HOST:PORT, with the path of the pages where it is not /debug/pprof/, or
unix:/PATH/OF.sock. A bearer token is read from INQUEST_TOKEN, further headers, one "Name: value"
a line, from INQUEST_HEADERS; both go to the server named and to no other, and into no file.

What is recorded one after the other: heap, dump; CPU, mutex and block over --seconds; dump; trace;
heap, goroutines, dump, threads, leaks. --dry-run tells what there is and what each part costs the
program. A capture that lacks parts succeeds and says so; one without any evidence exits with 2.

A command runs with GODEBUG=gctrace=1,schedtrace=1000 added; it gets SIGQUIT after --timeout.
SIGQUIT makes a Go process print its goroutines to its own stderr and exit.`,
		Example: `  inquest capture http://localhost:6060 -o case
  INQUEST_TOKEN=... inquest capture https://orders.internal/admin --seconds 30 -o case --analyze
  inquest capture localhost:6060 --only dump,heap -o case --analyze -o report.html
  inquest capture -o case -- ./orders -listen :8080`,
		RunE: func(c *cobra.Command, args []string) error { return runCapture(c, &f, args) },
	}
	fl := c.Flags()
	fl.StringArrayVarP(&f.outputs, "output", "o", nil, "the `DIR` to make; with --analyze also a file for the report, told by its extension (repeatable)")
	fl.StringVarP(&f.report.format, "format", "f", "", "with --analyze: write the report to stdout as `FORMAT`: "+strings.Join(format.Names(), ", "))
	fl.BoolVarP(&f.report.quiet, "quiet", "q", false, "say nothing on stderr but errors and what is dangerous")
	f.report.registerSign(c)
	fl.BoolVar(&f.analyze, "analyze", false, "analyse the case at once")
	f.memory.register(c)
	fl.IntVar(&f.seconds, "seconds", 10, "length `N` of the CPU profile and of the mutex and block profiles")
	fl.IntVar(&f.traceSeconds, "trace-seconds", 0, "length `N` of the trace (0: --seconds, at most 5)")
	fl.StringSliceVar(&f.only, "only", nil, "take only these, `NAME,...`: "+sourceNames())
	fl.StringSliceVar(&f.skip, "skip", nil, "leave out these, `NAME,...`")
	fl.BoolVar(&f.together, "together", false, "record the trace at the same time as the CPU profile: shorter, and each distorts the other")
	fl.BoolVar(&f.gc, "gc", false, "run a collection before each heap profile, so that it shows what is alive now")
	fl.IntVar(&f.maxGoroutines, "max-goroutines", 20_000, "take no dumps of a program with more than `N` goroutines")
	fl.StringVar(&f.maxBytes, "max-bytes", "512MiB", "take at most this `SIZE` of any one file")
	fl.DurationVar(&f.timeout, "timeout", 30*time.Second, "how long a request may take beyond what it records; with a command, after how long it gets SIGQUIT (default for a command: never)")
	fl.IntVar(&f.retries, "retries", 3, "how often a request is repeated after errors of the connection and of the server (5xx)")
	fl.StringVar(&f.ca, "ca", "", "trust the certificates in this PEM `FILE`, and no others")
	fl.StringVar(&f.cert, "cert", "", "client certificate, a PEM `FILE`")
	fl.StringVar(&f.key, "key", "", "key of the client certificate, a PEM `FILE`")
	fl.BoolVar(&f.insecure, "insecure", false, "do not check the server's certificate: anyone in between can read the token and forge the evidence")
	fl.BoolVar(&f.dryRun, "dry-run", false, "say what would be taken and what it costs, and take nothing")
	fl.IntVar(&f.pid, "pid", 0, "end the local process `PID` with SIGQUIT and keep the dump")
	fl.BoolVar(&f.yes, "yes", false, "with --pid: yes, end the process")
	return c
}

func sourceNames() string {
	var names []string
	for _, s := range capture.Sources {
		names = append(names, s.ID)
	}
	return strings.Join(names, ", ")
}

// check looks at everything that can be wrong with the command line.
func (f *captureFlags) check(c *cobra.Command, args []string) error {
	for _, name := range f.outputs {
		if _, ok := format.ByFile(name); ok {
			f.report.files = append(f.report.files, name)
			continue
		}
		if f.dir != "" {
			return failed("", "-o %s: the folder is already %s", name, f.dir)
		}
		f.dir = name
	}
	dash := c.ArgsLenAtDash()
	switch {
	case f.dryRun:
	case f.dir == "":
		return failed("inquest capture http://localhost:6060 -o DIR", "name the folder to make: -o DIR")
	case !f.analyze && (len(f.report.files) > 0 || f.report.format != ""):
		return failed("", "a report needs --analyze")
	}
	switch {
	case dash >= 0 && (dash > 0 || f.pid != 0), dash < 0 && f.pid != 0 && len(args) > 0:
		return failed("", "give one of a URL, --pid and a command")
	case dash >= 0 && len(args) == 0:
		return failed("", "no command after --")
	case dash < 0 && f.pid == 0 && len(args) != 1:
		return failed("inquest capture http://localhost:6060 -o DIR", "give the URL of a net/http/pprof server, --pid, or -- and a command")
	case f.pid < 0:
		return failed("", "--pid %d: no such process", f.pid)
	}
	for _, id := range slices.Concat(f.only, f.skip) {
		if !slices.ContainsFunc(capture.Sources, func(s capture.Source) bool { return s.ID == id }) {
			return failed("known are "+sourceNames(), "nothing to capture is called %q", id)
		}
	}
	if f.traceSeconds == 0 {
		f.traceSeconds = min(f.seconds, 5)
	}
	const day = 24 * 60 * 60
	if f.seconds < 1 || f.traceSeconds < 1 || f.seconds > day || f.traceSeconds > day {
		return failed("", "--seconds and --trace-seconds are at least 1 and at most a day")
	}
	if f.timeout <= 0 || f.retries < 0 || f.retries > 100 {
		return failed("", "--timeout must be positive, and --retries from 0 to 100")
	}
	n, err := humanize.ParseBytes(f.maxBytes)
	if err != nil || n == 0 || n > 1<<50 {
		return failed("", "--max-bytes %s: want a size such as 100MB", f.maxBytes)
	}
	f.bytes = int64(n)
	if (f.cert == "") != (f.key == "") {
		return failed("", "--cert and --key go together")
	}
	if _, err := f.memory.check(); err != nil {
		return err
	}
	return f.report.check(c.Context())
}

func runCapture(c *cobra.Command, f *captureFlags, args []string) error {
	if err := f.check(c, args); err != nil {
		return err
	}
	var err error
	switch {
	case f.pid != 0:
		err = f.fromProcess(c)
	case c.ArgsLenAtDash() >= 0:
		err = f.fromCommand(c, args)
	default:
		err = f.fromServer(c, args[0])
	}
	if err != nil || !f.analyze || f.dryRun {
		return err
	}
	if c.Context().Err() != nil { // an interrupt ended the recording; the next one ends the analysis
		ctx, stop := signal.NotifyContext(context.WithoutCancel(c.Context()), os.Interrupt)
		defer stop()
		c.SetContext(ctx)
	}
	return runAnalyze(c, &analyzeFlags{output: f.report, memory: f.memory}, []string{f.dir})
}

func (f *captureFlags) say(c *cobra.Command, format string, args ...any) {
	if !f.report.quiet {
		complain(c.ErrOrStderr(), fmt.Sprintf(format, args...))
	}
}

func (f *captureFlags) fromServer(c *cobra.Command, target string) error {
	header, err := secretHeaders()
	if err != nil {
		return err
	}
	conf, err := f.tls()
	if err != nil {
		return err
	}
	if f.insecure {
		complain(c.ErrOrStderr(), "WARNING: --insecure: the server's certificate is not checked; whoever sits in between can read the token and forge the evidence")
	}
	opt := capture.Options{
		Lasts: time.Duration(f.seconds) * time.Second, TraceLasts: time.Duration(f.traceSeconds) * time.Second,
		Only: f.only, Skip: f.skip, Together: f.together, GC: f.gc, MaxGoroutines: f.maxGoroutines,
		MaxBytes: f.bytes, Timeout: f.timeout, Retries: f.retries, Header: header, TLS: conf, Version: Version,
	}
	finish := func() {}
	clear := func() {}
	if file, ok := onTerminal(c.ErrOrStderr()); ok && !f.report.quiet {
		opt.Progress, clear, finish = captureProgress(file)
	}
	opt.Done = func(line string) {
		clear()
		f.say(c, "%s", line)
	}
	server, err := capture.Find(c.Context(), target, opt)
	if err != nil {
		return failed(serverHint(err, len(header) > 0), "%v", err)
	}
	plan := server.Plan()
	if plan.Empty() {
		return failed("", "nothing is left to take: %s", strings.Join(plan.Left(), "; "))
	}
	if f.dryRun {
		out := c.OutOrStdout()
		fmt.Fprintln(out, safe.Clean(fmt.Sprintf("%s would be recorded for %v:", server.Base, plan.Lasts())))
		for _, line := range plan.Costs() {
			fmt.Fprintln(out, "  "+safe.Clean(line))
		}
		for _, line := range plan.Left() {
			fmt.Fprintln(out, "  not taken: "+safe.Clean(line))
		}
		return nil
	}
	undo, err := makeCase(f.dir)
	if err != nil {
		return err
	}
	f.say(c, "%s: recording for %v; what it costs the program:", server.Base, plan.Lasts())
	for _, line := range plan.Costs() {
		f.say(c, "  %s", line)
	}
	for _, line := range plan.Left() {
		f.say(c, "not taken: %s", line)
	}
	m, err := server.Take(c.Context(), plan, f.dir)
	finish()
	if err != nil {
		undo()
		return failed("", "%s: %v", f.dir, err)
	}
	f.summary(c, m)
	return nil
}

// summary says on one line what the case holds.
func (f *captureFlags) summary(c *cobra.Command, m *manifest.Manifest) {
	count := map[manifest.Result]int{}
	for _, file := range m.Files {
		count[file.Result]++
	}
	text := evidence.Things(count[evidence.Taken]+count[evidence.InPart], "file")
	for _, r := range []struct {
		result manifest.Result
		says   claim.Text
	}{{evidence.InPart, "in part"}, {evidence.Failed, "failed"}, {evidence.Absent, "not offered"}, {evidence.Skipped, "left out"}} {
		if n := count[r.result]; n > 0 {
			text += claim.Textf(", %d %s", n, r.says)
		}
	}
	for _, n := range m.Notes {
		f.say(c, "%s", n)
	}
	f.say(c, "wrote %s: %s, and %s", f.dir, text, evidence.ManifestName)
	if !f.analyze {
		if next := claim.NewCommand("inquest", "analyze", claim.Said(claim.PathArgument(f.dir))); !next.None() {
			f.say(c, "hint: %s", next)
		}
	}
}

// serverHint is the next step after a server that could not be captured from.
func serverHint(err error, headers bool) string {
	var unknown x509.UnknownAuthorityError
	text := err.Error()
	switch {
	case errors.As(err, &unknown):
		return "--ca FILE trusts a private certificate authority"
	case strings.Contains(text, "401 Unauthorized") || strings.Contains(text, "403 Forbidden"):
		if headers {
			return "the server does not accept the token or headers of the environment"
		}
		return "INQUEST_TOKEN in the environment is sent as a bearer token, INQUEST_HEADERS as headers"
	case errors.Is(err, context.Canceled):
		return ""
	}
	return `the program needs import _ "net/http/pprof" and a server: go http.ListenAndServe("localhost:6060", nil)`
}

// secretHeaders reads the headers that must not stand on a command line.
func secretHeaders() (http.Header, error) {
	h := http.Header{}
	if token := strings.TrimSpace(os.Getenv("INQUEST_TOKEN")); token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	for line := range strings.Lines(os.Getenv("INQUEST_HEADERS")) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); !ok || name == "" || strings.ContainsAny(name, " \t") {
			return nil, failed("", "INQUEST_HEADERS: want one \"Name: value\" a line") // the line may be the secret
		}
		h.Add(name, strings.TrimSpace(value))
	}
	return h, nil
}

func (f *captureFlags) tls() (*tls.Config, error) {
	conf := &tls.Config{InsecureSkipVerify: f.insecure}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, failed("", "--ca %v", pathError(f.ca, err))
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, failed("", "--ca %s: no certificate in PEM form", f.ca)
		}
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, failed("", "--cert %s, --key %s: %v", f.cert, f.key, err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// makeCase makes the folder of a case. One that holds anything is refused: evidence of
// two captures in one folder would be judged as one. undo removes what a capture that brought no
// evidence left there, so that nothing is in the way of the next one.
func makeCase(dir string) (undo func(), err error) {
	entries, err := os.ReadDir(dir)
	made := errors.Is(err, fs.ErrNotExist)
	switch {
	case made:
		err = os.MkdirAll(dir, 0o750)
	case err == nil && len(entries) > 0:
		return nil, failed("name a folder that does not exist yet", "-o %s: the folder is not empty", dir)
	}
	if err != nil {
		return nil, failed("", "-o %v", pathError(dir, err))
	}
	return func() {
		entries, err := os.ReadDir(dir)
		if err != nil || slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() != evidence.ManifestName }) {
			return
		}
		_ = os.Remove(filepath.Join(dir, evidence.ManifestName))
		if made {
			_ = os.Remove(dir)
		}
	}, nil
}

// captureProgress shows how much of the recording has passed.
func captureProgress(f *os.File) (update func(done, total time.Duration, what string), clear, finish func()) {
	var mu sync.Mutex // files are settled while the bar runs
	var bar *progressbar.ProgressBar
	update = func(done, total time.Duration, what string) {
		if total <= 0 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if bar == nil {
			bar = progressbar.NewOptions64(int64(total), progressbar.OptionSetWriter(f), progressbar.OptionSetWidth(24),
				progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(true))
		}
		bar.Describe(safe.Clean(what))
		_ = bar.Set64(min(int64(done), int64(total)-1)) // the last bar would end the line
	}
	clear = func() {
		mu.Lock()
		defer mu.Unlock()
		if bar != nil {
			_ = bar.Clear()
		}
	}
	return update, clear, clear
}

func (f *captureFlags) fromCommand(c *cobra.Command, args []string) error {
	undo, err := makeCase(f.dir)
	if err != nil {
		return err
	}
	run := capture.Command{Args: args, Stdin: c.InOrStdin(), Stdout: raw(c.OutOrStdout()), Stderr: raw(c.ErrOrStderr()),
		MaxBytes: f.bytes, Version: Version}
	if c.Flags().Changed("timeout") {
		run.Timeout = f.timeout
	}
	m, err := run.Run(f.dir)
	if err != nil {
		undo()
		return failed(errorHint(err), "%s: %v", filepath.Base(args[0]), err)
	}
	f.summary(c, m)
	return nil
}

func (f *captureFlags) fromProcess(c *cobra.Command) error {
	p, err := capture.Inspect(f.pid)
	if err != nil {
		return failed(errorHint(err), "process %d: %v", f.pid, err)
	}
	if f.dryRun || !f.yes { // otherwise they are notes of the manifest
		for _, fact := range p.Facts {
			f.say(c, "process %d: %s", f.pid, fact)
		}
		complain(c.ErrOrStderr(), fmt.Sprintf("WARNING: SIGQUIT ends process %d (%s): it prints its goroutines to its stderr and exits with 2", f.pid, p.Name))
		if f.dryRun {
			return nil
		}
		return failed("--yes does it; a net/http/pprof server is asked without harm: inquest capture URL -o DIR", "process %d was left alone", f.pid)
	}
	undo, err := makeCase(f.dir)
	if err != nil {
		return err
	}
	m, err := p.Quit(c.Context(), f.dir, capture.Quit{Wait: f.timeout, MaxBytes: f.bytes, Version: Version})
	if err != nil {
		undo()
		return failed(errorHint(err), "process %d: %v", f.pid, err)
	}
	f.summary(c, m)
	return nil
}

// errorHint is the next step that an error of the capture names.
func errorHint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}
