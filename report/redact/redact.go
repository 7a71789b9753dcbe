// Package redact replaces names in documents by tokens, the same token for the same name, and keeps which is which.
package redact

import (
	"net"
	"net/netip"
	"net/url"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/net/publicsuffix"

	"inquest/analyze/claim"
	"inquest/internal/compare"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
	"inquest/internal/safe"
	"inquest/report"
	"inquest/report/internal/tokens"
)

// Report returns a copy of r in which names are replaced by the tokens of m, which
// grows by those that it lacked. own are sentences of ours that hold no name.
func Report(r *report.Report, level string, m *Mapping, own []string) *report.Report {
	out := *r
	out.Spans = nil
	x := newRedactor(level, m, own, r.Redacted)
	x.document(reflect.ValueOf(&out).Elem())
	out.Argv = x.invocation(r.Argv)
	out.Command = report.CommandLine(out.Argv)
	out.Redacted = x.mark(r.Redacted)
	if level == report.RedactStrict {
		for i := range out.Findings {
			f := &out.Findings[i]
			f.Fingerprint = claim.Fingerprint(f.Detector, f.Site.Function)
		}
		// A fingerprint is a hash of a name, which can be guessed.
		out.Baseline = nil
		for _, f := range out.Findings {
			if f.Accepted {
				out.Baseline = append(out.Baseline, f.Fingerprint)
			}
		}
		out.Baseline = slices.Compact(slices.Sorted(slices.Values(out.Baseline)))
	}
	out.Spans = safe.Spans(&out)
	// What is not what its hash says must not get one that fits.
	out.SelfHash = ""
	if r.SelfHash != "" && !r.Altered() {
		out.Seal()
	}
	return &out
}

// Diff is Report for a comparison.
func Diff(d *report.Diff, level string, m *Mapping, own []string) *report.Diff {
	out := *d
	x := newRedactor(level, m, own, d.Redacted)
	x.document(reflect.ValueOf(&out).Elem())
	out.Argv = x.invocation(d.Argv)
	out.Command = report.CommandLine(out.Argv)
	out.Redacted = x.mark(d.Redacted)
	if level == report.RedactStrict {
		f := &out.Findings
		for _, list := range []*[]compare.FindingChange{&f.New, &f.Gone, &f.Worse, &f.Better, &f.Same, &f.Unclear} {
			for i := range *list {
				c := &(*list)[i]
				c.Fingerprint = claim.Fingerprint(c.Detector, c.Site.Function)
			}
		}
	}
	return &out
}

// redactor replaces names in one document.
type redactor struct {
	strict bool
	before *report.Redaction // what the document had been through
	tokens *Mapping
	own    map[string][]string // without their first letter and full stop, by how they begin, longest first
	ours   map[string]bool     // own sentences as they stand
	exact  map[string]string   // names that stand in fields of their own, and what becomes of them in sentences
	odd    map[byte][]string   // those of exact that a sentence cannot be cut into, by their first byte, longest first
}

// ownHead is how much of a sentence of ours is looked up, in bytes.
const ownHead = 8

func newRedactor(level string, m *Mapping, own []string, before *report.Redaction) *redactor {
	x := &redactor{strict: level == report.RedactStrict, before: before, tokens: m, own: map[string][]string{}, ours: map[string]bool{}, exact: map[string]string{}}
	for _, s := range own {
		x.ours[s] = true
		if s = strings.TrimRight(s, ". "); len(s) > 12 {
			_, size := firstRune(s)
			s = s[size:]
			x.own[s[:ownHead]] = append(x.own[s[:ownHead]], s)
		}
	}
	for head, all := range x.own {
		slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
		x.own[head] = slices.Compact(all)
	}
	return x
}

func (x *redactor) mark(before *report.Redaction) *report.Redaction {
	out := &report.Redaction{Level: report.RedactNames, Mapping: x.tokens.ID}
	if x.strict || before != nil && before.Level == report.RedactStrict {
		out.Level = report.RedactStrict
	}
	if before != nil && before.Mapping != x.tokens.ID {
		out.Mapping = "" // tokens of two mappings
	}
	return out
}

// document replaces the names in all strings below v. The first round takes in
// the names that stand in fields of their own, so that the second knows them in sentences.
func (x *redactor) document(v reflect.Value) {
	visit(v, "", nil, nil, func(field, s string) string {
		switch fields[field] {
		case aFunction:
			x.know(s, x.function(s))
			x.know(claim.Pattern(s), claim.Pattern(x.function(s)))
		case aFile:
			x.know(s, x.file(s))
			_, base := splitDir(s)
			if _, standard := standardFile(s); !standard {
				x.know(base, x.base(base))
			} else if x.exact[base] == "" {
				x.know(base, base)
			}
		case aPath:
			x.know(s, x.path(s))
		case aTitle:
			_ = x.path(s) // the first token is the case's
		case aVersion:
			x.know(s, x.version(s))
		case aBuild:
			if x.strict && s != "" {
				x.know(s, "(left out)")
			}
		}
		return s
	})
	x.odd = map[byte][]string{}
	for s := range x.exact {
		if odd(s) {
			x.odd[s[0]] = append(x.odd[s[0]], s)
		}
	}
	for _, names := range x.odd {
		slices.SortFunc(names, func(a, b string) int {
			if len(a) != len(b) {
				return len(b) - len(a)
			}
			return strings.Compare(a, b)
		})
	}
	visit(v, "", x.command, x.spans, func(field, s string) string {
		switch fields[field] {
		case kept, anInvocation:
			return s
		case aFunction:
			return x.function(s)
		case aFile:
			return x.file(s)
		case aPath, aTitle:
			return x.path(s)
		case aLabel:
			return x.label(s)
		case aText:
			return x.text(s)
		case aBenchmark:
			return x.benchmark(s)
		case aColumn:
			return x.column(s)
		case aVersion:
			return x.version(s)
		case aBuild:
			if x.strict {
				return ""
			}
			return s
		case aSource:
			word, name, _ := strings.Cut(s, " ")
			return word + " " + x.path(name)
		}
		return x.sentence(s)
	})
}

// know keeps what becomes of a name for when it is met in a sentence.
func (x *redactor) know(name, token string) {
	if name != "" {
		x.exact[name] = token
	}
}

// visit replaces, in place but with fresh slices, maps and pointers, every string
// below v that JSON shows, given the field it stands in, and every command.
func visit(v reflect.Value, field string, command func(claim.Command) claim.Command, spans func(claim.Text) claim.Text, text func(field, s string) string) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == safe.TextType {
			if spans != nil {
				v.SetString(string(spans(v.Interface().(claim.Text))))
			}
			return
		}
		v.SetString(text(field, v.String()))
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		fresh := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(fresh, v)
		for i := range fresh.Len() {
			visit(fresh.Index(i), field, command, spans, text)
		}
		v.Set(fresh)
	case reflect.Array:
		for i := range v.Len() {
			visit(v.Index(i), field, command, spans, text)
		}
	case reflect.Map:
		if v.IsNil() {
			return
		}
		fresh := reflect.MakeMapWithSize(v.Type(), v.Len())
		for _, k := range v.MapKeys() {
			key, value := reflect.New(k.Type()).Elem(), reflect.New(v.Type().Elem()).Elem()
			key.Set(k)
			value.Set(v.MapIndex(k))
			visit(key, field, command, spans, text)
			visit(value, field, command, spans, text)
			fresh.SetMapIndex(key, value)
		}
		v.Set(fresh)
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		fresh := reflect.New(v.Type().Elem())
		fresh.Elem().Set(v.Elem())
		visit(fresh.Elem(), field, command, spans, text)
		v.Set(fresh)
	case reflect.Interface:
		if v.IsNil() {
			return
		}
		fresh := reflect.New(v.Elem().Type()).Elem()
		fresh.Set(v.Elem())
		visit(fresh, field, command, spans, text)
		v.Set(fresh)
	case reflect.Struct:
		if c, ok := v.Interface().(claim.Command); ok {
			if command != nil {
				v.Set(reflect.ValueOf(command(c)))
			}
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				visit(v.Field(i), v.Type().String()+"."+f.Name, command, spans, text)
			}
		}
	}
}

// spans replaces the names in a text by what its spans are.
func (x *redactor) spans(t claim.Text) claim.Text {
	return t.Each(func(k prose.Kind, s string) claim.Text {
		switch k {
		case prose.Function:
			s = x.function(s)
		case prose.Pattern:
			s = claim.Pattern(x.function(claim.Unpattern(s)))
		case prose.Source:
			s = x.position(s)
		case prose.File:
			s = x.path(s)
		case prose.LabelPair:
			s = x.label(s)
		case prose.Said:
			s = x.text(s)
		case prose.Quote:
			s = x.quote(s)
		case prose.Old:
			s = x.sentence(s)
		}
		return prose.Of(k, s)
	})
}

// quote replaces a text between double quotes, as %q writes it.
func (x *redactor) quote(s string) string {
	if text, err := strconv.Unquote(s); err == nil {
		s = strings.ToValidUTF8(text, "\uFFFD")
	}
	return `"` + x.text(s) + `"`
}

// position replaces a source file, with its line behind it.
func (x *redactor) position(s string) string {
	if m := position.FindStringSubmatch(s); m != nil {
		return x.file(m[1]) + ":" + m[2]
	}
	return x.file(s)
}

// quoted is a text between double quotes, as %q writes it. One that does not end is taken to its end.
var quotedText = regexp.MustCompile(`^"(?:[^"\\]|\\.)*(?:"|$)`)

// sentence replaces the names in a sentence of ours: what it quotes, what the document names elsewhere, and what
// looks like a name. Names come first that would be cut at what they hold, such as a quote.
func (x *redactor) sentence(s string) string {
	if s == "" || x.ours[s] {
		return s
	}
	var b strings.Builder
	from := 0
	upTo := func(i int) { b.WriteString(x.unquoted(s[from:i])) }
	for i := 0; i < len(s); {
		if name := x.oddAt(s, i); name != "" {
			upTo(i)
			b.WriteString(x.exact[name])
			i += len(name)
			from = i
			continue
		}
		if s[i] != '"' {
			i++
			continue
		}
		upTo(i)
		quote := quotedText.FindString(s[i:])
		i += len(quote)
		from = i
		b.WriteString(x.quote(quote))
	}
	upTo(len(s))
	return b.String()
}

// oddAt returns the longest odd name that stands at s[i:], or "".
func (x *redactor) oddAt(s string, i int) string {
	for _, name := range x.odd[s[i]] {
		if strings.HasPrefix(s[i:], name) && bounded(s, i, i+len(name)) {
			return name
		}
	}
	return ""
}

// odd reports whether a name would not stay whole where a sentence is cut into words.
func odd(name string) bool {
	if !strings.ContainsFunc(name, nameRune) {
		return false // it names nothing, and would be found in every sentence
	}
	head, _, tail := safe.Outer(name)
	return head+tail != "" || strings.ContainsFunc(name, func(r rune) bool { return r == '"' || unicode.IsSpace(r) }) ||
		strings.Count(name, "(") != strings.Count(name, ")")
}

// unquoted is sentence of a stretch without quotes.
func (x *redactor) unquoted(s string) string {
	if s == "" {
		return s
	}
	var b strings.Builder
	from := 0
	for i := 1; i < len(s); i++ {
		_, size := lastRune(s[:i]) // the letter that may have become a capital
		if own := x.ownAt(s[i:]); own != "" && i-size >= from {
			b.WriteString(x.words(s[from : i-size]))
			b.WriteString(s[i-size : i+len(own)])
			from = i + len(own)
			i = from
		}
	}
	b.WriteString(x.words(s[from:]))
	return b.String()
}

// ownAt returns the longest of our sentences, without its first letter, that s begins with, or "".
func (x *redactor) ownAt(s string) string {
	if len(s) < ownHead {
		return ""
	}
	for _, own := range x.own[s[:ownHead]] {
		if strings.HasPrefix(s, own) {
			return own
		}
	}
	return ""
}

// words is unquoted of a stretch without sentences of ours.
func (x *redactor) words(s string) string {
	words := strings.Split(s, " ")
	for i, w := range words {
		head, core, tail := safe.Outer(w)
		words[i] = head + x.word(core) + tail
	}
	return strings.Join(words, " ")
}

// bounded reports whether s[from:to] does not begin or end within a longer name.
func bounded(s string, from, to int) bool {
	before, _ := lastRune(s[:from])
	first, _ := firstRune(s[from:])
	last, _ := lastRune(s[:to])
	after, _ := firstRune(s[to:])
	return !(nameRune(before) && nameRune(first)) && !(nameRune(last) && nameRune(after))
}

func nameRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

var (
	position = regexp.MustCompile(`^(.*[^:]):(\d+(?::\d+)?|\*)$`)
	sourceRE = regexp.MustCompile(`\.(?:go|s|c|h|cc|cpp|cxx|hpp|m|S|proto|pb\.go|rs|py|ts|js)$`)
	letters  = regexp.MustCompile(`^[\pL']+$`)
)

// word replaces a word of a sentence if it is a name.
func (x *redactor) word(w string) string {
	if w == "" {
		return w
	}
	if token, ok := x.exact[w]; ok {
		return token
	}
	if name, ok := strings.CutSuffix(w, "'s"); ok {
		return x.word(name) + "'s"
	}
	if m := position.FindStringSubmatch(w); m != nil {
		if token, ok := x.exact[m[1]]; ok {
			return token + ":" + m[2]
		}
		if sourceRE.MatchString(m[1]) {
			return x.file(m[1]) + ":" + m[2]
		}
	}
	if x.before != nil && tokens.Within.MatchString(w) {
		return w
	}
	if !letters.MatchString(w) {
		if token, ok := x.shape(w); ok {
			return token
		}
	}
	if !x.strict || known(w) {
		return w
	}
	switch {
	case standardName(w):
		return x.function(w)
	case sourceRE.MatchString(w):
		return x.file(w)
	}
	for _, sep := range []string{"=", ",", "->"} {
		if a, b, ok := strings.Cut(w, sep); ok && a != "" {
			return x.word(a) + sep + x.word(b)
		}
	}
	if functionRE.MatchString(w) {
		return x.function(w)
	}
	return x.tokens.token(tokens.Name, w)
}

// functionRE is a name with a package: main.f, example.com/a/b.(*T).M.
var functionRE = regexp.MustCompile(`^[\pL\pN_.~%/-]*[\pL\pN_~%-]\.[(*\pL_].*$`)

var (
	urlRE     = regexp.MustCompile(`^([a-zA-Z][a-zA-Z0-9+.-]*://)([^/?#]*)([/?#].*)?$`)
	mailRE    = regexp.MustCompile(`^(mailto:)?[^@\s]+@[^@\s]+\.[\pL]{2,}$`)
	hostPort  = regexp.MustCompile(`^(\[[0-9a-fA-F:.%\w]+\]|[\pL\pN_.-]+):(\d{1,5})$`)
	drive     = regexp.MustCompile(`^[a-zA-Z]:[\\/]`)
	innerTLDs = map[string]bool{"internal": true, "local": true, "lan": true, "corp": true, "svc": true, "intranet": true, "home": true, "localdomain": true, "test": true}
)

// shape replaces what is a place by its shape: an address, a host, a path.
func (x *redactor) shape(w string) (string, bool) {
	if m := urlRE.FindStringSubmatch(w); m != nil {
		return m[1] + x.authority(m[2]) + x.rest(m[3]), true
	}
	if mailRE.MatchString(w) {
		return x.tokens.token(tokens.Mail, w), true
	}
	if token, ok := x.address(w); ok {
		return token, true
	}
	if m := hostPort.FindStringSubmatch(w); m != nil {
		if token, ok := x.address(strings.Trim(m[1], "[]")); ok {
			return token + ":" + m[2], true
		}
		if m[1] != "HOST" && !known(m[1]) && strings.ContainsFunc(m[1], unicode.IsLetter) {
			return x.tokens.token(tokens.Host, strings.ToLower(m[1])) + ":" + m[2], true
		}
	}
	if isHost(w) && !standardName(w) {
		return x.tokens.token(tokens.Host, strings.ToLower(w)), true
	}
	switch {
	case runtimeName.MatchString(w):
		return w, true
	case strings.HasPrefix(w, "/") && len(w) > 2, strings.HasPrefix(w, "~/"), strings.HasPrefix(w, "./"), strings.HasPrefix(w, "../"),
		strings.HasPrefix(w, `\\`), drive.MatchString(w), sourceRE.MatchString(w) && strings.ContainsAny(w, `/\`):
		return x.file(w), true
	case extension(w) != "" && extension(w) != w && !known(w) && !standardName(w):
		return x.path(w), true
	}
	return "", false
}

// runtimeName is a name of the runtime's that looks like a path: its metrics, and what net/http/pprof serves.
var runtimeName = regexp.MustCompile(`^/(?:(?:sched|memory|gc|cpu|sync|godebug|cgo)/[a-z0-9/-]+:[a-z-]+|debug/pprof(?:/[a-z]*)?(?:\?[a-z]+=\d+(?:&[a-z]+=\d+)*)?)$`)

// authority replaces the host of a URL, and drops who asks.
func (x *redactor) authority(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return x.tokens.token(tokens.Name, s[:i]) + "@" + x.authority(s[i+1:])
	}
	host, port := s, ""
	if h, p, err := net.SplitHostPort(s); err == nil {
		host, port = h, ":"+p
	}
	if host == "" || host == "HOST" {
		return s
	}
	if x.before != nil && tokens.Within.MatchString(host) {
		return s
	}
	if token, ok := x.address(strings.Trim(host, "[]")); ok {
		return token + port
	}
	if port != "" && strings.Trim(port[1:], "0123456789") != "" && port != ":PORT" {
		port = ":" + x.tokens.token(tokens.Name, port[1:])
	}
	return x.tokens.token(tokens.Host, strings.ToLower(host)) + port
}

// rest replaces the path of a URL.
func (x *redactor) rest(s string) string {
	if s == "" || s == "/" || runtimeName.MatchString(s) {
		return s
	}
	if u, err := url.Parse(s); err == nil && runtimeName.MatchString(u.Path) && u.Fragment == "" && u.RawQuery == "" {
		return s
	}
	return "/" + x.tokens.token(tokens.Path, s)
}

// address replaces an IP or hardware address.
func (x *redactor) address(w string) (string, bool) {
	addr, bits := w, ""
	if i := strings.IndexByte(w, '/'); i > 0 {
		if n := w[i+1:]; n != "" && len(n) < 4 && strings.Trim(n, "0123456789") == "" {
			addr, bits = w[:i], w[i:]
		}
	}
	if a, err := netip.ParseAddr(strings.Trim(addr, "[]")); err == nil {
		return x.tokens.token(tokens.Address, a.String()) + bits, true
	}
	if len(w) >= 17 {
		if mac, err := net.ParseMAC(w); err == nil {
			return x.tokens.token(tokens.Address, mac.String()), true
		}
	}
	return "", false
}

// isHost reports whether a word is the full name of a machine: its last element
// is a top-level domain, or one that networks use within.
func isHost(w string) bool {
	if strings.ContainsAny(w, "/()[]*: ") || !strings.Contains(w, ".") || strings.ToLower(w) != w && strings.ToUpper(w) != w {
		return false
	}
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(w, ".")), ".")
	for _, l := range labels {
		if l == "" || strings.ContainsFunc(l, func(r rune) bool { return !nameRune(r) && r != '-' }) {
			return false
		}
	}
	last := labels[len(labels)-1]
	if len(labels) < 2 || !strings.ContainsFunc(last, unicode.IsLetter) {
		return false
	}
	if innerTLDs[last] {
		return true
	}
	_, icann := publicsuffix.PublicSuffix(strings.Join(labels, "."))
	return icann
}

// text replaces what logs, labels and tasks say, but for what only the runtime says.
func (x *redactor) text(s string) string {
	switch {
	case s == "":
		return s
	case x.before != nil && tokens.Within.MatchString(s):
		return s
	case runtimeText.MatchString(s):
		return s
	}
	return x.tokens.token(tokens.Text, s)
}

// runtimeText is what only the runtime prints, with nothing of the program's in it.
var runtimeText = regexp.MustCompile(`^(?:fatal error: |panic: )?(?:` + strings.Join([]string{
	`concurrent map (?:writes|read and map write|iteration and map write|clone and map write)`,
	`all goroutines are asleep - deadlock!`, `no goroutines \(main called runtime\.Goexit\) - deadlock!`,
	`stack overflow`, `thread exhaustion`, `out of memory(?: \(stack\))?`, `runtime: out of memory`, `unexpected signal during runtime execution`,
	`(?:runtime: )?cannot allocate memory`, `sync: (?:unlock|Unlock|RUnlock) of unlocked (?:mutex|RWMutex)`, `sync: negative WaitGroup counter`,
	`send on closed channel`, `close of (?:closed|nil) channel`, `assignment to entry in nil map`, `all goroutines stack trace`,
	`runtime error: (?:invalid memory address or nil pointer dereference|index out of range \[-?\d+\](?: with length \d+)?|slice bounds out of range \[[\d:]*\](?: with (?:capacity|length) \d+)?|integer divide by zero|makeslice: (?:len|cap) out of range|growslice: len out of range)`,
	`SIG[A-Z]+(?:: [a-z ]+)?(?: code=(?:0x)?[0-9a-f]+)?(?: addr=0x[0-9a-f]+)?(?: pc=0x[0-9a-f]+)?(?: sigcode=\d+)?`,
	`goroutine stack exceeds \d+-byte limit`, `cannot allocate \d+-byte block \(\d+ in use\)`,
	`lockSlow\(0x[0-9a-f]+\)`, `WARNING: DATA RACE`, `\(leaked\)`, `exit status \d+`, `locked to thread`, `SCHED`, `\(forced\)`, ` ms cpu, `, ` MB goal`, `goroutine \d+ \[`, `0x[0-9a-f]+`, `gc \d+ @`, `SCHED `,
}, "|") + `)$`)

// label replaces a label: its value, and in strict its key.
func (x *redactor) label(s string) string {
	key, value, ok := strings.Cut(s, "=")
	if s == "" || x.before != nil && tokens.Within.MatchString(value) && (!x.strict || tokens.Within.MatchString(key)) {
		return s
	}
	if !ok {
		return x.tokens.token(tokens.Label, s)
	}
	if x.strict {
		key = x.tokens.token(tokens.Name, key)
	}
	return key + "=" + x.tokens.token(tokens.Label, value)
}

// function replaces, in strict, the name of a function that is not the standard
// library's, and keeps its shape: example.com/a/ledger.(*Ledger[...]).Post.func1
// becomes pkg1.(*T1[...]).M1.func1.
func (x *redactor) function(name string) string {
	if !x.strict || name == "" || x.before != nil && x.before.Level == report.RedactStrict {
		return name
	}
	rest, inlined := strings.CutSuffix(name, " (partial-inline)")
	out := ""
	switch {
	case strings.HasPrefix(rest, "["):
		out = "[" + x.tokens.token(tokens.Name, rest) + "]"
		if runtimeLibrary.MatchString(rest) {
			out = rest
		}
	case bareNames[rest]:
		out = rest
	case standardName(rest):
		out = fold(rest)
	default:
		out = x.symbol(fold(rest))
	}
	if inlined {
		out += " (partial-inline)"
	}
	return out
}

// fold replaces type arguments by "...": they hold names too.
func fold(name string) string {
	if i := strings.IndexByte(name, '['); i < 0 {
		return name
	}
	var b strings.Builder
	depth := 0
	for _, r := range name {
		switch {
		case r == '[':
			if depth++; depth == 1 {
				b.WriteString("[...]")
			}
		case r == ']' && depth > 0:
			depth--
		case depth == 0:
			b.WriteRune(r)
		}
	}
	return b.String()
}

var (
	// what the compiler adds to the name of a function for closures, wrappers and instances
	addedRE        = regexp.MustCompile(`^(?:func|gowrap|deferwrap|dwrap)?\d+(?:-range\d+)*(?:-fm)?$`)
	addedEnd       = regexp.MustCompile(`(?:-range\d+)*(?:-fm)?$`)
	dottedPackage  = regexp.MustCompile(`^(?:v\d+|go)\.`)
	runtimeLibrary = regexp.MustCompile(`^\[(?:libc|libpthread|libm|libdl|ld-linux[a-z0-9_.-]*|linux-vdso|vdso|kernel\.kallsyms)[0-9.so]*\]$`)
	// bareNames are symbols without a package that are Go's own (runtime/asm_*.s, internal/bytealg).
	bareNames = func() map[string]bool {
		m := map[string]bool{}
		for _, w := range strings.Fields(`panic gcWriteBarrier memeqbody cmpbody aeshashbody indexbytebody indexbody countbody callRet debugCall32 gogo setg_gcc _rt0_amd64`) {
			m[w] = true
		}
		return m
	}()
)

// symbol replaces the parts of a function's name.
func (x *redactor) symbol(name string) string {
	pkg := stack.Package(name)
	_, base := path.Split(cutAt(name, "[("))
	dot := strings.IndexByte(base, '.')
	if dot < 0 || pkg == "" {
		return x.tokens.token(tokens.Name, name)
	}
	symbol := name[len(cutAt(name, "[("))-len(base)+dot+1:]
	if m := dottedPackage.FindString(symbol); m != "" { // yaml.v3, nats.go: a normalised name does not say where its package ends
		pkg, symbol = pkg+"."+strings.TrimSuffix(m, "."), symbol[len(m):]
	}
	parts := splitDots(symbol)
	out := []string{x.tokens.token(tokens.Package, pkg)}
	real := func(i int) bool { return i < len(parts) && parts[i] != "" && !addedRE.MatchString(parts[i]) }
	owner := "" // the type whose method comes next
	for i, p := range parts {
		end := addedEnd.FindString(p)
		ident := strings.TrimSuffix(p, end)
		switch {
		case p == "", addedRE.MatchString(p), ident == "init" && owner == "", p == "glob" && i+1 < len(parts) && parts[i+1] == "":
			out = append(out, p)
		case strings.HasPrefix(p, "(") && strings.HasSuffix(p, ")"):
			inner := strings.Trim(p, "(*)")
			typ, args, _ := strings.Cut(inner, "[")
			if args != "" {
				args = "[" + args
			}
			owner = pkg + "." + typ
			out = append(out, p[:strings.Index(p, inner)]+x.tokens.token(tokens.Type, owner)+args+")")
		default:
			ident, args, _ := strings.Cut(ident, "[")
			if args != "" {
				args = "[" + args
			}
			switch {
			case owner != "":
				out = append(out, x.tokens.token(tokens.Method, owner+"."+ident)+args+end)
				owner = ""
			case real(i+1) && !strings.HasPrefix(parts[i+1], "("):
				owner = pkg + "." + ident
				out = append(out, x.tokens.token(tokens.Type, owner)+args+end)
			default:
				out = append(out, x.tokens.token(tokens.Function, pkg+"."+ident)+args+end)
			}
		}
	}
	return strings.Join(out, ".")
}

func cutAt(s, chars string) string {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i]
	}
	return s
}

// splitDots cuts at the dots outside of parentheses and brackets.
func splitDots(s string) []string {
	var parts []string
	depth, from := 0, 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '(', '[':
			depth++
		case ')', ']':
			depth--
		case '.':
			if depth <= 0 {
				parts = append(parts, s[from:i])
				from = i + 1
			}
		}
	}
	return append(parts, s[from:])
}

// splitDir cuts a file's path before its last element, whichever way its system writes it.
func splitDir(file string) (dir, base string) {
	i := strings.LastIndexAny(file, `/\`)
	return file[:i+1], file[i+1:]
}

// file replaces the folder of a source file, and in strict its name.
func (x *redactor) file(file string) string {
	if file == "" || file == "_cgo_gotypes.go" || file == "<autogenerated>" || strings.Trim(file, "./~") == "" {
		return file
	}
	if s, ok := standardFile(file); ok {
		return s
	}
	dir, base := splitDir(file)
	base = x.base(base)
	dir = strings.TrimRight(dir, `/\`)
	switch {
	case dir == "" || dir == ".":
		return base
	case x.before != nil && tokens.Within.MatchString(dir):
		return dir + "/" + base
	}
	return strings.TrimSuffix(x.tokens.token(tokens.Path, dir)+"/"+base, "/")
}

// base replaces the name of a file: in strict a source file's, always any other.
func (x *redactor) base(name string) string {
	switch {
	case name == "" || name == "_testmain.go" || name == "_cgo_gotypes.go":
		return name
	case x.before != nil && tokens.Within.MatchString(strings.TrimSuffix(name, extension(name))):
		return name
	case sourceRE.MatchString(name):
		if !x.strict {
			return name
		}
		return x.tokens.token(tokens.File, name) + sourceRE.FindString(name)
	}
	return x.element(name)
}

// standardFile returns a file of the standard library without the machine's path to it.
func standardFile(file string) (string, bool) {
	slashed := strings.ReplaceAll(file, `\`, "/")
	dir, base := path.Split(slashed)
	dir = strings.TrimSuffix(dir, "/")
	if !sourceRE.MatchString(base) {
		return "", false
	}
	if standardPackages()[dir] {
		return slashed, true
	}
	if i := strings.LastIndex(dir, "/src/"); i >= 0 && standardPackages()[dir[i+len("/src/"):]] {
		return dir[i+len("/src/"):] + "/" + base, true
	}
	return "", false
}

// path replaces each element of an exhibit's path, and keeps what tells its format.
func (x *redactor) path(p string) string {
	if p == "" || p == "stdin" || p == "-" || inputs.MatchString(p) {
		return p
	}
	var b strings.Builder
	from := 0
	for i := 0; i <= len(p); i++ {
		if i == len(p) || p[i] == '/' || p[i] == '\\' || p[i] == '!' {
			b.WriteString(x.element(p[from:i]))
			if i < len(p) {
				b.WriteByte(p[i])
			}
			from = i + 1
		}
	}
	return b.String()
}

var (
	inputs     = regexp.MustCompile(`^\d+ inputs$`)
	extensions = regexp.MustCompile(`(?i)(?:\.(?:pb|tar|json|log|txt|out|jsonl|folded|pprof|prof|trace|dump|zip|tgz|html|md|sarif|xml|gz|zst))+$`)
)

func extension(name string) string { return extensions.FindString(name) }

func (x *redactor) element(name string) string {
	stem := strings.TrimSuffix(name, extension(name))
	if stem == "" || strings.Trim(stem, ".") == "" || x.before != nil && tokens.Within.MatchString(stem) {
		return name
	}
	return x.tokens.token(tokens.Path, name) + strings.ToLower(extension(name))
}

// column replaces the name of a column of a profile or its unit, unless it is made of words of ours.
func (x *redactor) column(s string) string {
	for _, w := range strings.Fields(s) {
		if _, core, _ := safe.Outer(w); !known(core) {
			return x.text(s)
		}
	}
	return s
}

// release is a version of Go as the Go project names it.
var release = regexp.MustCompile(`^(?:go1(?:\.\d{1,3}){0,2}(?:(?:rc|beta)\d{1,2})?|devel)$`)

// version keeps what can only be a version of Go.
func (x *redactor) version(s string) string {
	if s == "" || x.before != nil && tokens.Within.MatchString(s) {
		return s
	}
	if first := cutAt(s, " -+"); release.MatchString(first) {
		return first
	}
	return x.text(s)
}

// benchmark replaces, in strict, the name of a benchmark and of its cases.
func (x *redactor) benchmark(name string) string {
	if !x.strict {
		return x.sentence(name)
	}
	procs := regexp.MustCompile(`-\d+$`).FindString(name)
	return "Benchmark" + x.tokens.token(tokens.Name, strings.TrimSuffix(name, procs)) + procs
}
