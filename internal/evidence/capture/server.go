package capture

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"inquest/recorder/manifest"
)

// Options are how to capture from a server. Lengths and bounds must be positive.
type Options struct {
	Lasts         time.Duration // of the CPU profile and of the differences; whole seconds
	TraceLasts    time.Duration // of the trace; whole seconds
	Only, Skip    []string      // ids of Sources
	Together      bool          // trace at the same time as the CPU profile
	GC            bool          // run a collection before each heap profile
	MaxGoroutines int           // no dumps of more
	MaxBytes      int64         // of one file
	Timeout       time.Duration // for one request, on top of what it records
	Retries       int           // after errors that may pass
	Header        http.Header   // sent to the server named and to no other; never recorded
	TLS           *tls.Config   // nil for the system's
	Version       string        // of the tool, for the manifest

	// Progress is told, when not nil, how much of the expected time has passed and
	// what is being taken. It is called by one goroutine at a time.
	Progress func(done, total time.Duration, what string)
	// Done is told of each file when it is settled, by one goroutine at a time.
	Done func(line string)

	pause time.Duration // before the first retry; 0 for the default
}

// Server is a net/http/pprof server that answered.
type Server struct {
	Base       string // where its pages are, without secrets
	Goroutines int    // as its index page says; 0 when it did not

	opt     Options
	client  *http.Client
	base    *url.URL
	header  http.Header
	offers  map[string]bool // names on the index page; nil when there is none
	program string
	offset  time.Duration // of the server's clock against ours
	notes   []string
	secrets []string
}

// Find looks for the profiling pages at or below a URL: host:port, http(s)://host/prefix,
// the address of any one page, or unix:/path/of.sock[:/prefix].
func Find(ctx context.Context, target string, opt Options) (*Server, error) {
	s := &Server{opt: opt, header: opt.Header.Clone()}
	if s.header == nil {
		s.header = http.Header{}
	}
	if s.opt.pause == 0 {
		s.opt.pause = 500 * time.Millisecond
	}
	u, socket, exact, err := parse(target)
	if err != nil {
		return nil, err
	}
	if u.User != nil {
		// Kept out of every URL from here on, so that no error message shows it.
		password, _ := u.User.Password()
		r := http.Request{Header: http.Header{}}
		r.SetBasicAuth(u.User.Username(), password)
		s.header.Set("Authorization", r.Header.Get("Authorization"))
		s.secrets = append(s.secrets, password)
		if password == "" { // a token in place of the name
			s.secrets = append(s.secrets, u.User.Username())
		}
		u.User = nil
	}
	for _, values := range s.header {
		for _, v := range values {
			s.secrets = append(s.secrets, v)
			if _, rest, ok := strings.Cut(v, " "); ok { // Bearer TOKEN
				s.secrets = append(s.secrets, rest)
			}
		}
	}
	s.secrets = slices.DeleteFunc(s.secrets, func(v string) bool { return len(v) < 4 })
	slices.SortFunc(s.secrets, func(a, b string) int { return len(b) - len(a) })
	s.client = s.newClient(socket)

	var tried []string
	for _, base := range bases(u, exact) {
		found, why, err := s.look(ctx, base)
		if err != nil {
			return nil, err
		}
		if found {
			return s, nil
		}
		tried = append(tried, fmt.Sprintf("%s: %s", base, why))
	}
	return nil, fmt.Errorf("no profiling pages of net/http/pprof: %s", strings.Join(tried, "; "))
}

// parse reads what the user named. exact tells that the last element was that of a page.
func parse(target string) (u *url.URL, socket string, exact bool, err error) {
	if rest, ok := strings.CutPrefix(target, "unix:"); ok {
		rest = "/" + strings.TrimLeft(rest, "/")
		socket, prefix, _ := strings.Cut(rest, ":")
		return &url.URL{Scheme: "http", Host: "unix", Path: "/" + strings.TrimLeft(prefix, "/")}, socket, false, nil
	}
	if !strings.Contains(target, "://") {
		target = "http://" + target
	}
	u, err = url.Parse(target)
	if err != nil {
		return nil, "", false, errors.New("not a URL") // the error quotes it, secrets and all
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, "", false, errors.New("want http://HOST:PORT, https://HOST or unix:/PATH")
	}
	u.RawQuery, u.Fragment, u.RawPath = "", "", ""
	// People paste the address of one page.
	for _, src := range append(Sources, Source{path: "cmdline"}, Source{path: "symbol"}) {
		if path.Base(u.Path) == src.path {
			u.Path, exact = path.Dir(u.Path), true
			break
		}
	}
	return u, "", exact, nil
}

// bases lists where the pages may be, likeliest first.
func bases(u *url.URL, exact bool) []*url.URL {
	at := func(below string) *url.URL {
		c := *u
		c.Path = strings.TrimRight(u.Path, "/") + "/" + below
		return &c
	}
	switch {
	case exact, strings.HasSuffix(strings.TrimRight(u.Path, "/"), "/debug/pprof"):
		return []*url.URL{at("")}
	case strings.TrimRight(u.Path, "/") == "":
		return []*url.URL{at("debug/pprof/"), at("")}
	}
	return []*url.URL{at(""), at("debug/pprof/"), at("pprof/")}
}

// newClient makes the client for all requests.
func (s *Server) newClient(socket string) *http.Client {
	t := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        s.opt.TLS,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true, // what arrives is what is counted and kept
		DisableKeepAlives:      true, // an idle connection on which a broken server goes on talking is logged past us
		MaxResponseHeaderBytes: 64 << 10,
		TLSHandshakeTimeout:    10 * time.Second,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	}
	if socket != "" {
		t.Proxy = nil
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "unix", socket)
		}
	}
	others := t.Clone()
	if others.TLSClientConfig != nil {
		others.TLSClientConfig.Certificates = nil
	}
	return &http.Client{Transport: homeOnly{s, t, others}, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > 5 {
			return errors.New("more than 5 redirects")
		}
		if !sameServer(via[0].URL, r.URL) {
			for name := range s.header {
				delete(r.Header, name)
			}
			r.URL.User = nil        // nobody gave us those
			r.Header.Del("Referer") // where the pages are is no business of another server's
		}
		return nil
	}}
}

// homeOnly shows the client certificate to the server that was named and to no other.
type homeOnly struct {
	*Server
	home, others *http.Transport
}

func (t homeOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if sameServer(t.base, r.URL) {
		return t.home.RoundTrip(r)
	}
	return t.others.RoundTrip(r)
}

// redirect says that another server gave an answer; nil when the one that was asked did.
func (s *Server) redirect(resp *http.Response) *manifest.Redirect {
	if resp.Request == nil || sameServer(s.base, resp.Request.URL) {
		return nil
	}
	first := resp.Request
	for first.Response != nil {
		first = first.Response.Request
	}
	return &manifest.Redirect{From: s.bare(first.URL), To: s.bare(resp.Request.URL)}
}

// bare is a URL without what may be secret: user, query but for what pprof is asked, fragment.
func (s *Server) bare(u *url.URL) string {
	c := *u
	c.User, c.Fragment, c.RawFragment, c.RawQuery = nil, "", "", ""
	keep := url.Values{}
	for _, name := range []string{"seconds", "debug", "gc"} {
		if v := u.Query().Get(name); v != "" && len(v) < 10 && strings.Trim(v, "0123456789") == "" {
			keep.Set(name, v)
		}
	}
	c.RawQuery = keep.Encode()
	c.Path, c.RawPath = s.clean(c.Path), ""
	return s.clean(c.String())
}

// sameServer reports whether secrets meant for the first may be sent to the second.
func sameServer(a, b *url.URL) bool {
	if a.Scheme == b.Scheme && a.Host == b.Host {
		return true
	}
	return a.Scheme == "http" && b.Scheme == "https" && a.Hostname() == b.Hostname() && a.Port() == "" && b.Port() == ""
}

// entry matches one line of the index page (net/http/pprof/pprof.go, indexTmplExecute).
var entry = regexp.MustCompile(`<td>\s*(\d+)\s*</td>\s*<td>\s*<a href=['"]?[^'">]*?([a-z]+)\?debug=\d`)

// look sees whether the pages are at base. It fails only when there is no use in looking elsewhere.
func (s *Server) look(ctx context.Context, base *url.URL) (found bool, why string, err error) {
	s.base = base
	page, err := s.page(ctx, "")
	if err != nil {
		return false, "", fmt.Errorf("%s: %w", base.Host, err)
	}
	why = page.status
	if page.code == http.StatusUnauthorized || page.code == http.StatusForbidden {
		why += page.moved
	}
	lines := entry.FindAllStringSubmatch(page.body, -1)
	if page.code == http.StatusOK && len(lines) > 0 {
		s.offers = map[string]bool{}
		for _, l := range lines {
			s.offers[l[2]] = true
			if l[2] == "goroutine" {
				s.Goroutines, _ = strconv.Atoi(l[1])
			}
		}
	} else {
		// No index. These pages cost the program next to nothing.
		known := false
		for name, begins := range map[string]string{"symbol": "num_symbols:", "threadcreate?debug=1": "threadcreate profile:", "mutex?debug=1": "--- mutex:", "block?debug=1": "--- contention:"} {
			if p, err := s.page(ctx, name); err == nil && p.code == http.StatusOK && strings.HasPrefix(p.body, begins) {
				known = true
				break
			}
		}
		if !known {
			return false, why, nil
		}
		s.notes = append(s.notes, "the server has no index page: every page was asked for")
	}
	if page.elsewhere != nil {
		s.notes = append(s.notes, fmt.Sprintf("the index page came from another server: %s answered for %s", page.elsewhere.To, page.elsewhere.From))
	}
	s.Base = base.String()
	if base.Host == "unix" && s.base.Scheme == "http" {
		s.Base = "unix socket, " + base.Path
	}
	if page.off != 0 {
		s.offset = page.off
		s.notes = append(s.notes, fmt.Sprintf("the server's clock is %v off from this machine's; times in this manifest are the server's", s.offset))
	}
	// The index page tells how many goroutines there are, which decides whether a dump would stop
	// the program for long. Without one the profile tells it on its first line.
	if s.offers == nil && s.wants("dump") {
		if p, err := s.page(ctx, "goroutine?debug=1"); err == nil && p.code == http.StatusOK {
			_, _ = fmt.Sscanf(p.body, "goroutine profile: total %d\n", &s.Goroutines)
		}
	}
	if p, err := s.page(ctx, "cmdline"); err == nil && p.code == http.StatusOK && !isHTML(p.body) {
		name, _, _ := strings.Cut(p.body, "\x00")
		if name = path.Base(strings.TrimSpace(name)); len(name) < 200 && name != "." && name != "/" && !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
			s.program = s.clean(name)
		}
	}
	return true, "", nil
}

// small is the answer to a request for a page of text.
type small struct {
	code         int
	status, body string
	moved        string // says that a redirect led elsewhere, so that no secrets were sent
	elsewhere    *manifest.Redirect
	off          time.Duration // of the server's clock against ours; 0 when it may well be right
}

// clockOff tells how far the server's clock is off, given the Date of an answer and when it was asked for and
// came. The header has whole seconds, and a server may stamp it at any time in between.
func clockOff(date, asked, came time.Time) time.Duration {
	const most = 5 * time.Second
	d := date.Sub(came)
	if date.Before(asked) {
		d = date.Sub(asked)
	}
	if date.IsZero() || d.Abs() <= most || !date.Before(asked) && !date.After(came) {
		return 0
	}
	return d.Round(time.Second)
}

// page gets a page of text, with retries. An error means that the server cannot be talked to.
func (s *Server) page(ctx context.Context, name string) (small, error) {
	var p small
	for attempt := 1; ; attempt++ {
		err := func() error {
			ctx, cancel := context.WithTimeout(ctx, s.opt.Timeout)
			defer cancel()
			asked := time.Now()
			resp, err := s.get(ctx, name)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			came := time.Now()
			// The beginning is all that is looked at, and it need not come whole.
			body, _ := io.ReadAll(io.LimitReader(resp.Body, 256<<10))
			p = small{code: resp.StatusCode, status: status(resp), body: string(body)}
			if to := s.redirect(resp); to != nil && name == "" {
				p.elsewhere = to
			}
			if resp.Request != nil && !sameServer(s.base, resp.Request.URL) && len(s.header) > 0 {
				p.moved = fmt.Sprintf(" (redirected to %s, where the headers and the token of the environment are not sent)", resp.Request.URL.Host)
			}
			date, _ := http.ParseTime(resp.Header.Get("Date"))
			p.off = clockOff(date, asked, came)
			return nil
		}()
		if ctx.Err() != nil {
			return p, ctx.Err()
		}
		again := err != nil && passing(err) || err == nil && (p.code >= 500 && p.code != http.StatusNotImplemented)
		if !again || attempt > s.opt.Retries {
			if err != nil {
				return p, s.plain(err)
			}
			return p, nil
		}
		s.wait(ctx, attempt, "")
	}
}

// get sends one request.
func (s *Server) get(ctx context.Context, request string) (*http.Response, error) {
	name, query, _ := strings.Cut(request, "?")
	u := *s.base
	u.Path += name
	u.RawQuery = query
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	for name, values := range s.header {
		if http.CanonicalHeaderKey(name) == "Host" {
			r.Host = values[0]
			continue
		}
		r.Header[name] = values
	}
	r.Header.Set("User-Agent", "inquest/"+s.opt.Version)
	return s.client.Do(r)
}

// wait pauses before the next attempt: twice as long each time, or as the server asks.
func (s *Server) wait(ctx context.Context, attempt int, after string) {
	const most = 30 * time.Second
	d := s.opt.pause << min(attempt-1, 10)
	if sec, err := strconv.Atoi(after); err == nil && sec > 0 {
		d = time.Duration(sec) * time.Second
	}
	select {
	case <-ctx.Done():
	case <-time.After(min(d, most)):
	}
}

// passing reports whether an error of a connection may be gone at the next attempt.
func passing(err error) bool {
	var dns *net.DNSError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound, errors.As(err, &cert), errors.As(err, &record), errors.As(err, &alert),
		errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return false
	}
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// plain is an error without its URL and without secrets.
func (s *Server) plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %v", s.opt.Timeout)
	}
	if strings.HasPrefix(err.Error(), "invalid proxy address") { // it quotes the address, password and all
		return errors.New("invalid proxy address in the environment")
	}
	if text := s.clean(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}

// clean takes secrets out of a text that may quote the request, as error pages do.
func (s *Server) clean(text string) string {
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, "[secret]")
	}
	return text
}

func status(r *http.Response) string {
	if text := http.StatusText(r.StatusCode); text != "" {
		return fmt.Sprintf("%d %s", r.StatusCode, text)
	}
	return strconv.Itoa(r.StatusCode)
}

func isHTML(body string) bool {
	body = strings.ToLower(strings.TrimSpace(body[:min(len(body), 1024)]))
	return strings.HasPrefix(body, "<!doctype") || strings.HasPrefix(body, "<html") || strings.HasPrefix(body, "<head")
}
