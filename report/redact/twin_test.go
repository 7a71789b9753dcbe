package redact

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/safe"
	"inquest/report"
	"inquest/report/format"
	"inquest/report/internal/reporttest"
)

// TestRedactTwins holds strict redaction to the strongest promise there is: cases that
// differ in names alone give the same bytes, so that no name can have got through.
func TestRedactTwins(t *testing.T) {
	for _, focus := range []bool{false, true} {
		first := reporttest.Twins[0].Judge(t, focus)
		least := 3
		if focus {
			least-- // deadlock is not asked about goroutines with a label alone
		}
		if len(first.Findings) < least {
			t.Fatalf("%d findings: the case shows too little", len(first.Findings))
		}
		want := map[string]string{}
		for _, f := range format.All {
			want[f.Name] = reporttest.Written(t, f.Report, Report(first, report.RedactStrict, &Mapping{}, ownText()))
		}
		for i, n := range reporttest.Twins[1:] {
			r := n.Judge(t, focus)
			for _, f := range format.All {
				got := reporttest.Written(t, f.Report, Report(r, report.RedactStrict, &Mapping{}, ownText()))
				if d := cmp.Diff(strings.Split(want[f.Name], "\n"), strings.Split(got, "\n")); d != "" {
					t.Errorf("twin %d, %s (focus %v) shows through:\n%s", i+1, f.Name, focus, d[:min(len(d), 2500)])
				}
			}
		}
	}
}

// TestRedactNames looks for what the milder level takes out, in a case full of it.
func TestRedactNames(t *testing.T) {
	for i, n := range reporttest.Twins[:4] {
		r := n.Judge(t, true)
		red := Report(r, report.RedactNames, &Mapping{}, ownText())
		all := reporttest.Written(t, report.WriteJSON, r)
		if function := n.Pkg + ".(*"; !strings.Contains(reporttest.Written(t, report.WriteJSON, red), strings.ReplaceAll(function, "%2e", ".")) {
			t.Errorf("twin %d: names in code are gone", i)
		}
		for _, f := range format.All {
			text := reporttest.Written(t, f.Report, red)
			for _, secret := range []string{n.Dir, n.Message, n.Host, n.Key + "=" + n.Label, n.Folder + "/", n.Log} {
				if strings.Contains(text, secret) && len(secret) > 5 {
					t.Errorf("twin %d, %s: %q survives", i, f.Name, secret)
				}
			}
		}
		if !strings.Contains(all, n.Log) {
			t.Errorf("twin %d: the report never named %s", i, n.Log)
		}
	}
}

// TestRedactMapping holds tokens to the same names across reports that share a mapping.
func TestRedactMapping(t *testing.T) {
	m := NewMapping()
	a := Report(reporttest.Twins[0].Judge(t, false), report.RedactStrict, m, ownText())
	var saved bytes.Buffer
	if err := m.Write(&saved); err != nil {
		t.Fatal(err)
	}
	text := saved.String()
	again, err := ReadMapping(&saved)
	if err != nil {
		t.Fatal(err)
	}
	_ = Report(reporttest.Twins[1].Judge(t, false), report.RedactStrict, again, ownText()) // other names come between
	b := Report(reporttest.Twins[0].Judge(t, false), report.RedactStrict, again, ownText())
	if d := cmp.Diff(reporttest.Written(t, report.WriteJSON, a), reporttest.Written(t, report.WriteJSON, b)); d != "" {
		t.Errorf("the same report has other tokens:\n%s", d)
	}
	if a.Findings[0].Fingerprint != b.Findings[0].Fingerprint || a.Redacted.Mapping == "" {
		t.Error("fingerprints differ under one mapping")
	}
	for what, bad := range map[string]string{
		"gap":     strings.Replace(text, `"pkg1"`, `"pkg3"`, 1),
		"schema":  strings.Replace(text, "mapping/v1", "mapping/v2", 1),
		"no id":   strings.Replace(text, again.ID, "", 1),
		"unknown": strings.Replace(text, `"pkg1"`, `"what1"`, 1),
		"cut":     text[:len(text)/2],
	} {
		if _, err := ReadMapping(strings.NewReader(bad)); err == nil {
			t.Errorf("%s: read without an error", what)
		}
	}
}

// FuzzRedact puts a text into a report wherever one from the evidence is shown
// whole. What is left must not differ from what another text leaves.
func FuzzRedact(f *testing.F) {
	incident := reporttest.Load(f, "incident")
	incident.Timelines = nil
	saved, own := reporttest.Written(f, report.WriteJSON, incident), ownText()
	for _, n := range []string{"main", "cache", "Ünï", "a b", `x"y`, "10.0.0.1", "path-1", "it's", "50 %", "e1", "\xff", "a=b", "\u202e", "# x", `\`} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if len(name) > 200 {
			return
		}
		pasted := !claim.NewCommand("grep", claim.Said(name)).None()
		with := func(name string) string {
			r, err := report.Read(strings.NewReader(saved))
			if err != nil {
				t.Fatal(err)
			}
			for i := range r.Findings {
				r.Findings[i].Summary += claim.Legacy(fmt.Sprintf("; it said %q", name))
				r.Findings[i].Evidence[0].Reproduce = claim.Command{}
				if pasted {
					r.Findings[i].Evidence[0].Reproduce = claim.Grep(&evidence.Exhibit{Path: "x.log"}, claim.Said(name))
				}
			}
			r.Focus = &report.Focus{Label: "k=" + name, Task: name, Exhibits: []report.Focused{}}
			safe.Validate(r)
			red := Report(r, report.RedactStrict, &Mapping{}, own)
			for _, f := range format.All {
				_ = reporttest.Written(t, f.Report, red)
			}
			return reporttest.Written(t, report.WriteJSON, red)
		}
		valid := strings.ToValidUTF8(name, "\uFFFD")
		if got := with(name); name != "" && !runtimeText.MatchString(valid) && !strings.Contains(saved, valid) && !standardName(valid) && !functionRE.MatchString(strings.TrimSuffix(valid, "(")) {
			if want := with("Zebra"); got != want {
				t.Errorf("%q shows through:\n%s", name, cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")))
			}
		}
	})
}
