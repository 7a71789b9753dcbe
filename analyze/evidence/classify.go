package evidence

import (
	"bytes"
	"go/token"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/folded"
	"inquest/internal/evidence/logline"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/runtimelog"
)

// headSize is how much of a file its kind is told by.
const headSize = 4096

// measure tells the kind of a file, reads it and files its exhibits. failed is
// what went wrong while its bytes were fetched; they may be fewer than there
// were. leave gives the slot back before an archive's members want theirs.
func (o *opener) measure(it *item, c *source, failed error, leave func()) {
	e := &Exhibit{Path: it.name, Bytes: c.size, Kind: Unknown, Coverage: Whole}
	defer it.guard(e)
	if !o.hashOnly {
		it.account = o.opt.Memory.Account()
	}
	defer o.advance(c.size, 0, 0)
	if failed != nil {
		e.Coverage = Partial
		e.problem("%v", failed)
	}
	if c.size == 0 {
		e.SHA256, _ = c.hash()
		switch {
		case failed != nil:
		case !o.hashOnly && it.passable():
			o.passing.add(isEmpty, it.name)
			return
		default:
			e.problem("empty file")
		}
		it.unusable(e)
		return
	}

	head := c.head(headSize)
	switch {
	case isZip(head):
		if it.nested(e, "zip archive") {
			return
		}
		leave()
		o.zip(it, c)
		return
	case isTar(head):
		if it.nested(e, "tar archive") {
			return
		}
		leave()
		o.tar(it, c.all(), c.size)
		return
	}
	if o.hashOnly {
		if k := packed(head); k != nil && !it.archive && tarInside(c, k) {
			if z, err := k.unpack(c, it.account); err == nil {
				defer z.Close()
				leave()
				o.tar(it, z, c.size)
				return
			}
		}
		o.hashed(it, e, c, head)
		return
	}
	if reason := o.passed(it, c, head); reason != "" {
		o.passing.add(reason, it.name)
		return
	}
	type sum struct {
		hex string
		err error
	}
	sums := make(chan sum, 1)
	go func() {
		var s sum
		defer func() { sums <- s }()
		defer rescue(&s.err)
		s.hex, s.err = c.hash()
	}()
	var found []*Exhibit
	defer func() {
		s := <-sums // the content must not be closed before
		for _, f := range found {
			if f.SHA256 = s.hex; s.err != nil {
				f.Coverage = Partial
				f.problem("could not be read to its end: %s", cause(s.err))
			}
		}
		it.exhibits = append(it.exhibits, found...)
		it.settle()
	}()
	if k := packed(head); k != nil {
		found = o.unpacked(it, e, c, k, leave)
	} else {
		found = o.kinds(it, e, c, head)
	}
}

// passable reports whether a file may be passed over: nobody named it, and
// its name does not promise evidence either.
func (it *item) passable() bool { return !it.named && !suspect(it.name) }

// passed tells why a file that was found need not be read, by its bytes; "" when it must.
func (o *opener) passed(it *item, c *source, head []byte) string {
	switch {
	case it.named:
	case ownOutput(head):
		return ofInquest
	case executable(head):
		return aProgram
	case goSource(head):
		return ofGo
	case !suspect(it.name) && !readable(head) && !c.textInside():
		return noKind
	}
	return ""
}

// ownOutput reports whether a file that begins with head was written by inquest: its
// reports quote the evidence they were made from.
func ownOutput(head []byte) bool {
	schema := schemaOf(head)
	return strings.HasPrefix(schema, "inquest/") && !strings.HasPrefix(schema, captureSchemas)
}

// goSource reports whether a text that begins with head is Go source, which may quote
// evidence: its first line that is no comment names a package.
func goSource(head []byte) bool {
	comment := false
	for line := range bytes.Lines(head) {
		line = bytes.TrimSpace(line)
		switch {
		case comment:
			comment = !bytes.Contains(line, []byte("*/"))
		case len(line) == 0, bytes.HasPrefix(line, []byte("//")):
		case bytes.HasPrefix(line, []byte("/*")):
			comment = !bytes.Contains(line, []byte("*/"))
		default:
			name, ok := bytes.CutPrefix(line, []byte("package "))
			name, _, _ = bytes.Cut(name, []byte("//"))
			return ok && token.IsIdentifier(string(bytes.TrimSpace(name)))
		}
	}
	return false
}

// textInside reports whether a content that begins with bytes of no kind goes on as
// text: logs that are cut while they are written into begin with zeros.
func (c *source) textInside() bool {
	sample := make([]byte, headSize)
	for i := int64(1); i <= 4; i++ {
		n, _ := c.ReadAt(sample, max(0, c.size*i/4-headSize))
		if n > 0 && text(sample[:n]) {
			return true
		}
	}
	return false
}

// passes passes over what is of no kind that is read, when it was not meant as evidence.
func (o *opener) passes(it *item, head []byte) bool {
	switch {
	case !it.named && executable(head):
		o.passing.add(aProgram, it.name)
	case it.passable():
		o.passing.add(noKind, it.name)
	default:
		return false
	}
	return true
}

// settle gives back what an item holds of the budget when nothing of it can be used.
func (it *item) settle() {
	if !slices.ContainsFunc(it.exhibits, func(e *Exhibit) bool { return e.Coverage != None }) {
		it.account.Close()
	}
}

// nested refuses an archive in an archive.
func (it *item) nested(e *Exhibit, what string) bool {
	if !it.archive {
		return false
	}
	it.fail(e, "a %s inside an archive is not opened: unpack it first", what)
	return true
}

// unpacked measures a compressed file.
func (o *opener) unpacked(it *item, e *Exhibit, c *source, k *compression, leave func()) []*Exhibit {
	open := func() (io.ReadCloser, error) { return k.unpack(c, it.account) }
	z, err := open()
	if err != nil {
		e.problem("%v", err)
		return it.none(e)
	}
	head := make([]byte, headSize)
	n, err := io.ReadFull(z, head)
	head = head[:n]
	_ = z.Close()
	if n == 0 {
		if err == io.EOF {
			e.problem("the %s stream holds nothing", k.name)
		} else {
			e.problem("%v", err)
		}
		return it.none(e)
	}
	switch {
	case isTar(head):
		if it.archive {
			e.problem("a tar archive inside an archive is not opened: unpack it first")
			return it.none(e)
		}
		z, err := open()
		if err != nil {
			e.problem("%v", err)
			return it.none(e)
		}
		defer z.Close()
		leave()
		o.tar(it, z, c.size)
		return nil
	case k.name == "gzip" && pprofile.Sniff(head):
		return o.profile(it, e, c)
	case isZip(head) || packed(head) != nil:
		e.problem("packed more than once: unpack it first")
		return it.none(e)
	case !readable(head):
		if o.passes(it, head) {
			return nil
		}
		e.problem("%s", unrecognised)
		return it.none(e)
	case !text(head):
		z, err := open()
		if err != nil {
			e.problem("%v", err)
			return it.none(e)
		}
		defer z.Close()
		inner, err := spool(o.limited(z), spoolLimit)
		if inner == nil {
			e.problem("%v", err)
			return it.none(e)
		}
		defer inner.close()
		if err != nil {
			e.Coverage = Partial
			e.problem("%v", err)
		}
		return o.kinds(it, e, inner, head)
	}
	z, err = open()
	if err != nil {
		e.problem("%v", err)
		return it.none(e)
	}
	defer z.Close()
	return o.texts(it, e, z, head)
}

const unrecognised prose.Text = "not evidence that inquest reads: neither profile, execution trace nor goroutine dump"

// readable reports whether a content that begins with head could be of any kind
// that is read. What is packed need not be unpacked further when it could not.
func readable(head []byte) bool { return text(head) || isBinary(head) || packed(head) != nil }

// isBinary reports whether a content that begins with head is read at any place, not line by line.
func isBinary(head []byte) bool {
	return exectrace.Sniff(head) || pprofile.Sniff(head) || isZip(head) || isTar(head)
}

// kinds measures a file that is neither archive nor compressed.
func (o *opener) kinds(it *item, e *Exhibit, c *source, head []byte) []*Exhibit {
	switch {
	case exectrace.Sniff(head):
		return o.trace(it, e, c)
	case pprofile.SniffText(head):
		return o.profileText(it, e, c, head)
	case pprofile.Sniff(head):
		return o.profile(it, e, c)
	case isManifest(head):
		return o.manifest(it, e, c)
	}
	return o.texts(it, e, c.all(), head)
}

// profile measures a pprof profile.
func (o *opener) profile(it *item, e *Exhibit, c *source) []*Exhibit {
	p, err := pprofile.Read(c, c.size, pprofile.Options{Labels: o.opt.Focus.Label[0] != "", Memory: it.account})
	if err != nil {
		e.problem("%v", err)
		return it.none(e)
	}
	return o.measured(it, e, p)
}

// profileText measures a profile in text form. What was done to it after it was printed is undone where
// it cannot be read as it is.
func (o *opener) profileText(it *item, e *Exhibit, c *source, head []byte) []*Exhibit {
	plain := *e
	found := o.profile(it, &plain, c)
	if len(found) == 1 && found[0].Coverage != None && found[0].Profile().Unsymbolised == 0 {
		return found
	}
	if repaired := o.texts(it, e, c.all(), head); len(repaired) > 0 && repaired[0].Coverage != None {
		return repaired
	}
	return found
}

// measured files a profile that was read.
func (o *opener) measured(it *item, e *Exhibit, p *pprofile.Profile) []*Exhibit {
	if p.Kind == pprofile.Contention {
		if p.Kind = contentionByName(it.name); p.Kind == "" {
			e.problem("contention of unknown kind: nothing in it tells a mutex profile from a block profile or from waits that go tool trace wrote; if you know which it is, put mutex or block into its name")
			return it.none(e)
		}
		e.problem("nothing in it tells a mutex profile from a block profile: taken for a %s profile by its name", Kind(p.Kind))
		e.guess = e.Problems[len(e.Problems)-1]
	}
	if p.Kind == "" {
		it.account.Close()
		var columns []string
		for _, c := range p.Columns {
			columns = append(columns, strconv.Quote(c.Name+"/"+c.Unit))
		}
		e.problem("a profile of %s, which is none of the kinds that Go's runtime writes", strings.Join(columns, ", "))
		return it.none(e)
	}
	e.Kind, e.Content = Kind(p.Kind), p
	e.CapturedAt, e.Duration, e.BuildID, e.GoVersion = p.Time, p.Duration, p.BuildID, p.GoVersion
	for _, problem := range p.Problems {
		e.problem("%s", problem)
	}
	if p.Missing > 0 {
		e.Coverage = Partial
	}
	e.misnamed()
	return []*Exhibit{e}
}

// contentionByName breaks the tie between an empty mutex and an empty block profile; "" when the name says neither.
func contentionByName(name string) string {
	base := strings.ToLower(path.Base(name))
	for _, kind := range []string{"block", "mutex"} {
		if strings.Contains(base, kind) {
			return kind
		}
	}
	return ""
}

// readers are those of lines. A text may hold evidence for any of them.
type readers struct {
	stacks   dump.Reader
	profiles pprofile.TextReader
	tool     pprofile.ToolReader
	runtime  runtimelog.Reader
	traced   folded.Reader
}

// Line hands a line to the readers to which it can be of use.
func (r *readers) Line(n int, line []byte, signs logline.Signs) {
	r.stacks.Line(n, line, signs)
	if r.profiles.Wants(signs) {
		r.profiles.Line(n, line)
	}
	if r.tool.Wants(signs) {
		r.tool.Line(n, line)
	}
	r.runtime.Line(n, line, signs)
	if r.traced.Wants(signs) {
		r.traced.Line(line)
	}
}

// Idle reports whether a line without signs is of use to nobody.
func (r *readers) Idle() bool {
	return r.stacks.Idle() && r.traced.Idle() && !r.profiles.Wants(0) && !r.tool.Wants(0)
}

// Words passes over lines without signs.
func (r *readers) Words(w logline.Words) {
	r.stacks.Words(w)
	r.traced.Words(w)
}

// texts finds what programs and their runtime print into logs, in one pass.
func (o *opener) texts(it *item, e *Exhibit, r io.Reader, head []byte) []*Exhibit {
	t := readers{
		profiles: pprofile.TextReader{Memory: it.account, Labels: o.opt.Focus.Label[0] != ""},
		tool:     pprofile.ToolReader{Memory: it.account, Labels: o.opt.Focus.Label[0] != ""},
		runtime:  runtimelog.Reader{Memory: it.account},
		traced:   folded.Reader{Memory: it.account},
	}
	t.stacks.Memory = it.account
	cut, err := logline.Read(o.limited(r), it.account, &t)
	if err != nil {
		e.Coverage = Partial
		e.problem("%v", err)
	}
	if cut > 0 {
		e.Coverage = Partial
		e.problem("%s longer than the memory budget holds, cut", Things(cut, "line"))
	}
	var out []*Exhibit
	file := func(kind Kind, of int, lines [2]int, problems []prose.Text) *Exhibit {
		x := *e
		x.Kind, x.Problems = kind, slices.Clone(e.Problems)
		if of > 1 {
			x.Part = prose.Textf("lines %d-%d", lines[0], lines[1])
		}
		for _, problem := range problems {
			x.problem("%s", problem)
		}
		x.misnamed()
		out = append(out, &x)
		return &x
	}
	s := t.stacks.Close()
	// The stack of a panic alone is told with the crash; it is no picture of the process.
	dumps := slices.DeleteFunc(s.Dumps, (*dump.Dump).Lone)
	for _, d := range dumps {
		x := file(Dump, len(dumps), d.Lines, d.Problems)
		x.Content, x.CapturedAt, x.GoVersion = d, d.Time, d.GoVersion
		if d.Partial {
			x.Coverage = Partial
		}
	}
	if len(s.Crashes) > 0 {
		x := file(Crash, 1, [2]int{}, s.Problems)
		x.Content, x.CapturedAt, x.GoVersion = dump.Crashes(s.Crashes), s.Crashes[0].Time, s.Crashes[0].GoVersion
		for _, c := range s.Crashes {
			if !x.CapturedAt.IsZero() && c.Last.After(x.CapturedAt) {
				x.Duration = max(x.Duration, c.Last.Sub(x.CapturedAt))
			}
		}
	}
	if len(s.Races) > 0 {
		x := file(Race, 1, [2]int{}, s.Problems)
		x.Content, x.CapturedAt = dump.Races(s.Races), s.Races[0].Time
	}
	l := t.runtime.Close()
	for _, g := range l.GC {
		x := file(GCTrace, len(l.GC), g.Lines, slices.Concat(l.Problems, g.Problems))
		x.Content, x.Duration = g, g.Total.To-g.Total.From
		if !g.Start.IsZero() {
			x.CapturedAt = g.Start.Add(g.Total.From)
		}
	}
	for _, p := range l.Sched {
		x := file(SchedTrace, len(l.Sched), p.Lines, slices.Concat(l.Problems, p.Problems))
		x.Content, x.Duration = p, p.Total.To-p.Total.From
		if !p.Start.IsZero() {
			x.CapturedAt = p.Start.Add(p.Total.From)
		}
	}
	if p := t.traced.Close(); p != nil {
		x := file(Folded, 1, [2]int{}, p.Problems)
		x.Content = p
	}
	found := t.profiles.Close()
	printed, says := t.tool.Close()
	if printed != nil {
		found = append(found, printed)
	}
	for _, p := range found {
		x := *e
		x.Problems = slices.Clone(e.Problems)
		if len(found)+len(out) > 1 {
			x.Part = prose.Textf("lines %d-%d", p.Lines[0], p.Lines[1])
		}
		if p.Err != nil {
			x.problem("%v", p.Err)
			out = append(out, it.none(&x)...)
			continue
		}
		out = append(out, o.measured(it, &x, p.Profile)...)
		if p == printed && !p.Whole {
			x.Coverage = Partial
		}
	}
	if says != nil {
		e.problem("%v", says)
	}
	if len(out) > 0 {
		return out
	}
	for _, problem := range slices.Concat(s.Problems, l.Problems) {
		e.problem("%s", problem)
	}
	switch {
	case len(e.Problems) > 0: // they say why nothing was found
	case executable(head):
		e.problem("an executable, which is no evidence of what it did")
	case text(head):
		if it.passable() {
			o.passing.add(noEvidence, it.name)
			return nil
		}
		e.Plain = true
		e.problem("text without a goroutine dump, a crash, a race report, lines of gctrace or schedtrace, or stacks of a tracer")
	case it.passable():
		o.passing.add(noKind, it.name)
		return nil
	default:
		e.problem("%s", unrecognised)
	}
	return it.none(e)
}

// none makes e an exhibit that holds nothing usable.
func (it *item) none(e *Exhibit) []*Exhibit {
	e.Coverage = None
	return []*Exhibit{e}
}

func (it *item) unusable(e *Exhibit) { it.exhibits = append(it.exhibits, it.none(e)...) }

// misnamed notes a file whose name promises another kind than it holds.
func (e *Exhibit) misnamed() {
	base := strings.ToLower(path.Base(e.Path[strings.LastIndexByte(e.Path, '!')+1:]))
	if e.Kind.is(amongLines) || e.Kind == Dump && (strings.HasSuffix(base, ".txt") || strings.HasSuffix(base, ".log")) { // a "stack trace"
		return
	}
	promised := map[Kind]bool{}
	for _, w := range strings.FieldsFunc(base, func(r rune) bool { return !unicode.IsLetter(r) }) {
		for _, k := range kinds {
			if slices.Contains(k.promised, w) {
				promised[k.kind] = true
			}
		}
	}
	if len(promised) == 1 && !promised[e.Kind] {
		e.Problems = append(e.Problems, prose.Textf("%s is %s, read as such", prose.Path(e.Path), e.Kind.Phrase()))
	}
}

// suspect reports whether a file that holds no evidence was probably put into the
// folder as such, so that it is named by itself and not among many. It says nothing of what the file is.
func suspect(name string) bool {
	switch path.Ext(strings.ToLower(name)) {
	case ".pprof", ".prof", ".pb", ".gz", ".zst", ".out", ".trace", ".log", ".txt", ".dump", ".stack", ".stacks", ".folded", ".collapsed", ".bt", ".profile":
		return true
	}
	return false
}

// text reports whether a file that begins with head is text, in UTF-8 or close to it.
func text(head []byte) bool {
	odd := 0
	for b := head; len(b) > 0; {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 && len(b) >= utf8.UTFMax || r < ' ' && !strings.ContainsRune("\t\n\r\f\b\x1b", r) {
			odd++
		}
		b = b[n:]
	}
	return odd*20 <= len(head)
}

// executable reports whether head begins an ELF, Mach-O or Windows program:
// people keep the program beside its profiles.
func executable(head []byte) bool {
	for _, magic := range []string{"\x7fELF", "MZ", "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xce\xfa\xed\xfe", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return !text(head)
		}
	}
	return false
}
