package redact

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inquest/analyze/claim"
	"inquest/internal/safe"
	"inquest/report"
	"inquest/report/format"
	"inquest/report/internal/reporttest"
	"inquest/report/terminal"
)

var ownCommand = regexp.MustCompile(`^::(?:error|warning|notice) (?:file=[^:,]*,)?(?:line=\d+,)?title=[^:,]*::`)

// baited returns a document with bait in every string that can hold something from the evidence. Every second time it stands
// behind so many words that a line may break before it.
func baited[D any](doc D, seed int) D {
	n := seed
	next := func() string {
		n++
		b := reporttest.Baits[n%len(reporttest.Baits)]
		if n/len(reporttest.Baits)%2 == 1 {
			b = strings.Repeat("word ", n%17) + b
		}
		return b
	}
	visit(reflect.ValueOf(&doc).Elem(), "", func(claim.Command) claim.Command {
		return claim.NewCommand("grep", "-n", "-F", "-e", claim.Said(strings.TrimLeft(next(), "\t")), claim.Said(claim.PathArgument(next())))
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
		if line := reporttest.Obeys(b.String(), own); line != "" {
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
	seeds := make([]int, len(reporttest.Baits))
	for i := range seeds {
		seeds[i] = i
	}
	if testing.Short() {
		seeds = seeds[:3]
	}
	for _, seed := range reporttest.Some(seeds, 3) {
		r := baited(*reporttest.Load(t, "incident"), seed*7)
		safe.Validate(&r)
		d := baited(*reporttest.Diff(), seed*7)
		x := baited(*reporttest.Index(t), seed*7)
		for _, f := range format.All {
			check("a report", f.Name, func(w io.Writer) error { return f.Report(w, &r) })
		}
		for _, f := range format.All {
			check("a comparison", f.Name, func(w io.Writer) error { return f.Diff(w, &d) })
		}
		for _, f := range format.All {
			if f.Index == nil {
				continue
			}
			check("an index", f.Name, func(w io.Writer) error { return f.Index(w, &x) })
		}
		for _, width := range []int{20, 33, 80} {
			check("a report", fmt.Sprintf("text of %d columns", width), func(w io.Writer) error {
				return terminal.Write(safe.NewGuard(w), &r, terminal.Options{Width: width})
			})
		}
	}
}

// TestGuardKeepsValues proves that JSON written through the guard is read as what was written.
func TestGuardKeepsValues(t *testing.T) {
	r := baited(*reporttest.Load(t, "incident"), 3)
	safe.Validate(&r)
	text := reporttest.Written(t, report.WriteJSON, &r)
	if !strings.Contains(text, `##\u005b`) {
		t.Fatal("nothing was guarded against")
	}
	back, err := report.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(reporttest.Written(t, report.WriteJSON, &r), reporttest.Written(t, report.WriteJSON, back)); d != "" {
		t.Error(d)
	}
}
