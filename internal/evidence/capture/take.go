package capture

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"inquest/analyze/evidence"
	"inquest/recorder/manifest"
)

// Take asks for everything in the plan and writes what is evidence into dir, which
// must exist, with a manifest. It fails when nothing could be taken, and when dir cannot be written to.
func (s *Server) Take(ctx context.Context, p *Plan, dir string) (*manifest.Manifest, error) {
	scratch, err := os.MkdirTemp(dir, ".inquest-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	t := &take{Server: s, dir: dir, scratch: scratch, total: p.Lasts(), begun: time.Now(), running: map[string]bool{}}
	m := &manifest.Manifest{
		Schema: evidence.ManifestSchema, Tool: manifest.Tool{Name: "inquest capture", Version: s.opt.Version},
		Source: s.Base, Started: s.now(), Program: manifest.Program{Name: s.program, Goroutines: s.Goroutines},
	}
	for _, stage := range p.stages {
		for _, st := range stage {
			m.Files = append(m.Files, manifest.File{Name: st.file, Request: st.request(), Result: evidence.Skipped, Why: "the capture was cut short before it"})
		}
	}
	asked := len(m.Files)
	m.Files = append(m.Files, p.left...)
	m.Notes = slices.Clone(s.notes)
	w, err := manifest.Create(dir, m)
	if err != nil {
		return nil, err
	}
	stop := t.tick()
	next := 0
	for _, stage := range p.stages {
		var wg sync.WaitGroup
		for i, st := range stage {
			file := &m.Files[next+i]
			wg.Go(func() {
				f := t.guarded(ctx, st)
				t.mu.Lock()
				defer t.mu.Unlock()
				*file = f
				_ = w.Update(m) // the last one counts
			})
		}
		wg.Wait()
		next += len(stage)
	}
	stop()
	m.Ended = s.now()
	m.Program.GoVersion = t.goVersion
	m.Notes = append(m.Notes, t.notes...)
	if ctx.Err() != nil {
		m.Notes = append(m.Notes, "interrupted: what came later was not taken")
	}
	for _, f := range m.Files[:asked] {
		if f.Redirect != nil {
			m.Notes = append(m.Notes, fmt.Sprintf("%s came from another server: %s answered for %s", f.Name, f.Redirect.To, f.Redirect.From))
		}
	}
	if err := w.Close(m); err != nil {
		return nil, err
	}
	if !m.Kept() {
		why := ""
		for _, f := range m.Files {
			if f.Result == evidence.Failed {
				why = ": " + line(f)
				break
			}
		}
		return m, errors.New("nothing could be taken" + why)
	}
	return m, nil
}

// take is one Take.
type take struct {
	*Server
	dir, scratch string
	total        time.Duration
	begun        time.Time

	mu        sync.Mutex
	running   map[string]bool
	unanswer  int // requests in a row that found no server
	goVersion string
	notes     []string
}

// now is the time on the server's clock.
func (s *Server) now() time.Time { return time.Now().Add(s.offset).UTC().Round(time.Millisecond) }

// tick reports progress until stopped.
func (t *take) tick() (stop func()) {
	if t.opt.Progress == nil {
		return func() {}
	}
	done, ended := make(chan bool), make(chan bool)
	go func() {
		defer close(ended)
		defer func() { _ = recover() }() // what shows progress must not cost the case
		for {
			select {
			case <-done:
				return
			case <-time.After(200 * time.Millisecond):
			}
			t.mu.Lock()
			var what []string
			for name := range t.running {
				what = append(what, name)
			}
			t.mu.Unlock()
			slices.Sort(what)
			t.opt.Progress(min(time.Since(t.begun), t.total), t.total, strings.Join(what, ", "))
		}
	}()
	return func() { close(done); <-ended }
}

// guarded takes one file; a panic costs that file, and none of the others of the case.
func (t *take) guarded(ctx context.Context, st *step) (f manifest.File) {
	defer func() {
		if p := recover(); p != nil {
			f = manifest.File{Name: st.file, Request: st.request(), Result: evidence.Failed, Why: fmt.Sprintf("a bug of ours: %v; please report it", p)}
		}
	}()
	return t.settle(ctx, st)
}

// settle takes one file, with retries, and says what became of it.
func (t *take) settle(ctx context.Context, st *step) manifest.File {
	t.mu.Lock()
	dead := t.unanswer >= 2
	t.running[st.file] = true
	t.mu.Unlock()
	var f manifest.File
	switch {
	case ctx.Err() != nil:
		f = manifest.File{Name: st.file, Request: st.request(), Result: evidence.Skipped, Why: "interrupted"}
	case dead:
		f = manifest.File{Name: st.file, Request: st.request(), Result: evidence.Failed, Why: "not asked for: the server had stopped answering"}
	default:
		f = t.try(ctx, *st)
	}
	f.Why = t.clean(f.Why) // it may quote the server
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.running, st.file)
	if t.opt.Done != nil {
		t.opt.Done(line(f))
	}
	return f
}

// line tells what became of a file, for people.
func line(f manifest.File) string {
	text := f.Name
	switch f.Result {
	case evidence.Taken:
		text += ": " + evidence.Of(f.Bytes, evidence.Bytes).String()
	case evidence.InPart:
		text += ": " + evidence.Of(f.Bytes, evidence.Bytes).String() + ", in part"
	case evidence.Absent:
		text += ": not offered"
	case evidence.Failed:
		text += ": failed"
	}
	if f.Why != "" {
		text += ": " + f.Why
	}
	return text
}

// try asks for one file until it is there or there is no use in asking again.
func (t *take) try(ctx context.Context, st step) manifest.File {
	f := manifest.File{Name: st.file}
	for {
		f.Attempts++
		f.Request = st.request()
		f.Started = t.now()
		a := t.once(ctx, &st)
		f.Ended = t.now()
		f.Redirect = a.redirect
		t.judge(ctx, &st, a, &f)
		if f.Result != evidence.Failed || !a.again || f.Attempts > t.opt.Retries || ctx.Err() != nil {
			t.mu.Lock()
			if a.connection {
				t.unanswer++
			} else {
				t.unanswer = 0
			}
			t.mu.Unlock()
			return f
		}
		if a.tooLong {
			if st.lasts < 2*time.Second {
				return f
			}
			st.lasts = (st.lasts / 2).Truncate(time.Second)
		}
		t.wait(ctx, f.Attempts, a.after)
	}
}

// answer is what one request brought.
type answer struct {
	file       string // where the bytes are; empty when there was no good status
	bytes      int64
	code       int
	html       bool
	broken     string // why the bytes may not be all there are; empty when the answer ended as it should
	why        string // there is no use in the bytes, and why
	again      bool   // another attempt may do better
	connection bool   // the server was not reached
	tooLong    bool   // the server or something before it does not let requests last that long
	after      string // Retry-After
	redirect   *manifest.Redirect
}

// once sends one request and spools its answer.
func (t *take) once(ctx context.Context, st *step) (a answer) {
	limit := st.lasts + t.opt.Timeout
	rctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// late says that time ran out, if it did.
	late := func(err error, otherwise string) string {
		switch {
		case ctx.Err() != nil:
			return "interrupted"
		case errors.Is(err, context.DeadlineExceeded) || rctx.Err() != nil:
			return fmt.Sprintf("no whole answer within %v", limit)
		}
		return otherwise
	}
	resp, err := t.get(rctx, st.request())
	if err == nil {
		a.redirect = t.redirect(resp)
	}
	if err != nil {
		a.again, a.connection = passing(err), true
		a.why = late(err, t.plain(err).Error())
		return a
	}
	defer resp.Body.Close()
	a.code = resp.StatusCode
	if resp.StatusCode != http.StatusOK {
		head, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		a.why = status(resp)
		if said := t.firstLine(string(head)); said != "" && !isHTML(string(head)) {
			a.why += ": " + said
		}
		a.after = resp.Header.Get("Retry-After")
		switch {
		// Until Go 1.22 a server refused what would outlast its WriteTimeout (net/http/pprof, durationExceedsWriteTimeout).
		case strings.Contains(string(head), "WriteTimeout"), resp.StatusCode == http.StatusGatewayTimeout:
			a.again, a.tooLong = true, st.param
		case resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented, resp.StatusCode == http.StatusTooManyRequests:
			a.again = true
		}
		return a
	}
	a.html = strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")

	// The name stays, as what cannot be told by content is told by it.
	a.file = filepath.Join(t.scratch, st.file)
	out, err := os.OpenFile(a.file, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o640)
	if err != nil {
		a.why = onDisk(err)
		return a
	}
	in := &stream{Reader: resp.Body}
	if resp.Header.Get("Content-Encoding") == "gzip" { // some proxies pack what nobody asked to be packed
		z, err := gzip.NewReader(resp.Body)
		if err != nil {
			a.why = "it is said to be packed and is not: " + err.Error()
			_ = out.Close()
			return a
		}
		in.Reader = z
	}
	a.bytes, err = io.Copy(out, io.LimitReader(in, t.opt.MaxBytes))
	switch {
	case in.err != nil && in.err != io.EOF:
		a.again = passing(in.err)
		a.broken = late(in.err, "the connection was dropped: "+t.plain(in.err).Error())
		if errors.Is(in.err, io.ErrUnexpectedEOF) && resp.ContentLength > 0 {
			a.broken = fmt.Sprintf("the server promised %s and sent %s", evidence.Of(resp.ContentLength, evidence.Bytes), evidence.Of(a.bytes, evidence.Bytes))
		}
	case err != nil: // the disk
		a.why = onDisk(err)
	case a.bytes == t.opt.MaxBytes:
		var one [1]byte
		if n, _ := io.ReadFull(in, one[:]); n > 0 {
			a.broken = fmt.Sprintf("more than %s, the rest was not taken; --max-bytes allows more", evidence.Of(t.opt.MaxBytes, evidence.Bytes))
		}
	}
	if err := out.Close(); err != nil && a.why == "" {
		a.why = onDisk(err)
	}
	return a
}

// onDisk is an error of this machine's disk without the path, which is no one else's business.
func onDisk(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return "it could not be kept: " + err.Error()
}

// stream remembers the error that ended a stream, to tell it from one of the disk.
type stream struct {
	io.Reader
	err error
}

func (s *stream) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil {
		s.err = err
	}
	return n, err
}

// judge decides by the bytes, with the readers that the analysis uses, whether an answer is
// evidence of the kind asked for, and keeps it if so.
func (t *take) judge(ctx context.Context, st *step, a answer, f *manifest.File) {
	fail := func(format string, args ...any) {
		f.Result, f.Why, f.Bytes, f.SHA256 = evidence.Failed, fmt.Sprintf(format, args...), 0, ""
		if a.file != "" {
			_ = os.Remove(a.file)
		}
	}
	if a.why != "" {
		fail("%s", a.why)
		if a.code == http.StatusNotFound {
			f.Result = evidence.Absent
		}
		return
	}
	head := t.head(a.file)
	if a.html || isHTML(head) {
		why := "the server answered with a web page"
		if strings.Contains(head, "Types of profiles available") || len(entry.FindAllString(head, -1)) > 0 {
			why = fmt.Sprintf("the server answered with its index page: pprof.Index serves profiles under /debug/pprof/ only, so elsewhere each needs a route of its own, pprof.Handler(%q)", st.path)
		}
		fail("%s", why)
		return
	}
	// An interrupt must not make what has arrived look unreadable.
	b, err := evidence.Open(context.WithoutCancel(ctx), []string{a.file}, evidence.Options{Jobs: 1})
	if err != nil {
		fail("%v", err)
		return
	}
	i := slices.IndexFunc(b.Exhibits, func(e *evidence.Exhibit) bool {
		return e.Kind == st.Kind && e.Coverage != evidence.None && e.Path == st.file
	})
	if i < 0 {
		why := "no evidence in it"
		if len(b.Exhibits) > 0 {
			e := b.Exhibits[0]
			if e.Path != st.file {
				why = "the server answered with an archive"
			} else if e.Coverage != evidence.None {
				why = fmt.Sprintf("the server answered with evidence of another kind: %s", e.Kind)
			} else if len(e.Whys()) > 0 {
				why = e.Whys()[0].String()
			}
		}
		if a.broken != "" {
			why = a.broken
		} else if said := t.firstLine(head); said != "" {
			why += fmt.Sprintf("; it begins %q", said)
		}
		fail("%s", why)
		return
	}
	e := b.Exhibits[i]
	why := ""
	switch {
	case e.Coverage == evidence.Partial:
		why = a.broken
		if n := len(e.Whys()); why == "" && n > 0 {
			why = e.Whys()[n-1].String()
		}
	case a.broken != "" && (st.Kind == evidence.Trace || st.Kind == evidence.Dump):
		why = a.broken // neither knows its own end
	}
	if why != "" {
		// A profile that was cut has lost any part of its stacks: no sum over it means anything.
		if st.Kind != evidence.Trace && st.Kind != evidence.Dump {
			fail("%s", why)
			return
		}
		f.Result, f.Why = evidence.InPart, why
	} else {
		f.Result, f.Why = evidence.Taken, t.remark(ctx, st, e)
		if a.broken != "" {
			f.Why = strings.TrimPrefix(f.Why+"; "+a.broken+", but it is whole by its own checksum", "; ")
		}
	}
	f.Bytes, f.SHA256 = e.Bytes, e.SHA256
	if err := os.Rename(a.file, filepath.Join(t.dir, st.file)); err != nil {
		fail("%v", err)
		return
	}
	t.mu.Lock()
	if len(e.GoVersion) > len(t.goVersion) { // a trace knows the release, a profile the patch level
		t.goVersion = e.GoVersion
	}
	t.mu.Unlock()
}

// The settings that turn recording on, as a hint prints them.
const (
	mutexOn = "runtime.SetMutexProfileFraction(100)"
	blockOn = "runtime.SetBlockProfileRate(10_000)"
)

// remark says what a reader of good evidence should know about it.
func (t *take) remark(ctx context.Context, st *step, e *evidence.Exhibit) string {
	p := e.Profile()
	if p == nil {
		return ""
	}
	if len(p.Samples) == 0 {
		switch st.ID {
		case "mutex":
			switch rate, known := t.mutexRate(ctx); {
			case known && rate <= 0:
				return "empty: the mutex profile is off; " + mutexOn + " in the program turns it on"
			case known:
				return fmt.Sprintf("empty: nothing waited for a lock that was sampled; the rate is 1 in %d", rate)
			}
			return "empty: the mutex profile is off or nothing waited for a lock; " + mutexOn + " in the program turns it on"
		case "block":
			return "empty: the block profile is off or nothing waited; " + blockOn + " in the program turns it on"
		case "cpu":
			return "empty: the process used no processor meanwhile"
		}
	}
	switch {
	case st.param && st.ID != "cpu" && p.Duration == 0:
		return "it holds all since the program started: before Go 1.15 there is no seconds="
	case st.lasts > 0 && st.lasts < t.opt.Lasts:
		return fmt.Sprintf("over %v only, as the server does not let requests last longer", st.lasts)
	}
	return ""
}

// mutexRate asks for the mutex profile's rate, which only the text form tells
// (runtime/pprof/pprof.go, writeMutex). It is not changed by asking.
func (t *take) mutexRate(ctx context.Context) (rate int, known bool) {
	p, err := t.page(ctx, "mutex?debug=1")
	if err != nil || p.code != http.StatusOK {
		return 0, false
	}
	_, rest, ok := strings.Cut(p.body, "sampling period=")
	if !ok {
		return 0, false
	}
	_, err = fmt.Sscanf(rest, "%d", &rate)
	return rate, err == nil
}

// head returns the beginning of a file as text.
func (t *take) head(name string) string {
	f, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, 4096))
	return string(b)
}

// firstLine returns what an answer says on its first line, if it is text, without secrets.
func (s *Server) firstLine(body string) string {
	text, _, _ := strings.Cut(strings.TrimSpace(body), "\n")
	text = strings.TrimSpace(text)
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f || r == '\uFFFD' }) {
		return ""
	}
	text = s.clean(text)
	if r := []rune(text); len(r) > 120 {
		text = string(r[:120]) + "..."
	}
	return text
}
