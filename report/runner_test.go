package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"inquest/analyze/claim"
)

// bait is what names may hold so that a runner obeys the line that they land in.
var bait = []string{
	"::error::bait", " ::stop-commands::bait", "\u00a0::add-mask::bait", "\u3000::debug::bait", "\t::set-env name=A::bait", "::set-output name=x::bait",
	"##[add-mask]bait", "##[group]bait", "x##[error]bait", "###[error]bait", "##vso[task.setvariable variable=A]bait", "x ##VSO[task.complete]bait",
	"##teamcity[buildStatus text='bait']", "section_start:1:bait\r\x1b[0K", "x section_end:1:bait", "--- bait", "+++ bait", "~~~ bait", "^^^ +++ bait",
	"a\n::error::bait", "a\r::error::bait", "a\u2028::error::bait", "'::error::bait", "(::error::bait", "\"##[x]", "`::error::bait", "\u200b::error::bait",
}

var foldMark = regexp.MustCompile(`^(---|\+\+\+|~~~|\^\^\^) `)

// obeys says which line of an output some runner obeys, or "". It is written after what the runners do, not after Guard:
// GitHub's ActionCommand.TryParseV2 trims a line and looks at its beginning, TryParse looks for ##[ anywhere; Azure's
// looks for ##vso[ anywhere whatever its case; GitLab's for section_start: and section_end:; Buildkite's at line beginnings.
func obeys(text string, own func(line string) bool) string {
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		lower := strings.ToLower(line)
		switch trimmed := strings.TrimFunc(line, func(r rune) bool { return unicode.IsSpace(r) || r == '\uFEFF' }); {
		case strings.HasPrefix(trimmed, "::") && !own(line),
			strings.Contains(lower, "##["), strings.Contains(lower, "##vso["), strings.Contains(lower, "##teamcity["),
			strings.Contains(lower, "section_start:"), strings.Contains(lower, "section_end:"),
			foldMark.MatchString(line):
			return line
		}
	}
	return ""
}

var ownCommand = regexp.MustCompile(`^::(?:error|warning|notice) (?:file=[^:,]*,)?(?:line=\d+,)?title=[^:,]*::`)

// baited returns a document with bait in every string that can hold something from the evidence. Every second time it stands
// behind so many words that a line may break before it.
func baited[D any](doc D, seed int) D {
	n := seed
	next := func() string {
		n++
		b := bait[n%len(bait)]
		if n/len(bait)%2 == 1 {
			b = strings.Repeat("word ", n%17) + b
		}
		return b
	}
	visit(reflect.ValueOf(&doc).Elem(), "", func(claim.Command) claim.Command {
		return claim.NewCommand("grep", "-n", "-F", "-e", strings.TrimLeft(next(), "\t"), claim.PathArgument(next()))
	}, func(t claim.Text) claim.Text { return claim.Legacy(t.String() + " " + next()) }, func(field, s string) string {
		if fields[field] == kept || s == "" {
			return s
		}
		if n%3 == 0 {
			return next()
		}
		return s + " " + next()
	})
	return doc
}

// TestNothingIsObeyed holds every format of every document to printing no line that a runner obeys.
func TestNothingIsObeyed(t *testing.T) {
	never := func(string) bool { return false }
	check := func(what, format string, write func(io.Writer) error) {
		t.Helper()
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		own := never
		if format == "github" {
			own = ownCommand.MatchString
		}
		if line := obeys(b.String(), own); line != "" {
			t.Errorf("%s as %s: a runner obeys %q", what, format, line)
		}
		if strings.Count(b.String(), "bait") < 3 {
			t.Errorf("%s as %s holds no bait", what, format)
		}
		if format == "junit" {
			if err := xml.Unmarshal(b.Bytes(), new(struct{})); err != nil {
				t.Errorf("%s as %s: %v", what, format, err)
			}
		}
	}
	seeds := make([]int, len(bait))
	for i := range seeds {
		seeds[i] = i
	}
	if testing.Short() {
		seeds = seeds[:3]
	}
	for _, seed := range some(seeds, 3) {
		r := baited(*load(t, "incident"), seed*7)
		normalise(&r)
		d := baited(*sampleDiff(), seed*7)
		x := baited(*testIndex(t), seed*7)
		for _, f := range formats {
			check("a report", f.name, func(w io.Writer) error { return f.write(w, &r) })
		}
		for _, f := range diffFormats {
			check("a comparison", f.name, func(w io.Writer) error { return f.write(w, &d) })
		}
		for _, f := range indexFormats {
			check("an index", f.name, func(w io.Writer) error { return f.write(w, &x) })
		}
		for _, width := range []int{20, 33, 80} {
			check("a report", fmt.Sprintf("text of %d columns", width), func(w io.Writer) error {
				return WriteTerminal(NewGuard(w), &r, TerminalOptions{Width: width})
			})
		}
	}
}

// TestGuardKeepsValues proves that JSON written through the guard is read as what was written.
func TestGuardKeepsValues(t *testing.T) {
	r := baited(*load(t, "incident"), 3)
	normalise(&r)
	text := written(t, WriteJSON, &r)
	if !strings.Contains(text, `##\u005b`) {
		t.Fatal("nothing was guarded against")
	}
	back, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(written(t, WriteJSON, &r), written(t, WriteJSON, back)); d != "" {
		t.Error(d)
	}
}

// TestGuardInPieces holds the guard to the same bytes however they come.
func TestGuardInPieces(t *testing.T) {
	for _, s := range bait {
		var whole, pieces bytes.Buffer
		text := "first\n" + s + "\n" + s
		_, _ = io.WriteString(NewGuard(&whole), text)
		g := NewGuard(&pieces)
		for i := range len(text) {
			if n, err := g.Write([]byte(text[i : i+1])); n != 1 || err != nil {
				t.Fatal(n, err)
			}
		}
		if whole.String() != pieces.String() {
			t.Errorf("%q: whole %q, in pieces %q", s, whole.String(), pieces.String())
		}
		if line := obeys(whole.String(), func(string) bool { return false }); line != "" {
			t.Errorf("a runner obeys %q", line)
		}
	}
}
