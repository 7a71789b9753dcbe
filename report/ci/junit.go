package ci

import (
	"encoding/xml"
	"io"
	"slices"

	"inquest/report"
)

// WriteJUnit writes r as JUnit XML: one test case for each detector.
func WriteJUnit(w io.Writer, r *report.Report) error {
	return caseNotices(r).junit(w, "inquest analyze")
}

// WriteDiffJUnit writes d as JUnit XML: one test case for each kind of evidence.
func WriteDiffJUnit(w io.Writer, d *report.Diff) error {
	return diffNotices(d).junit(w, "inquest diff")
}

type (
	junitSuites struct {
		XMLName  xml.Name   `xml:"testsuites"`
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Errors   int        `xml:"errors,attr"`
		Suite    junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string          `xml:"name,attr"`
		Tests    int             `xml:"tests,attr"`
		Failures int             `xml:"failures,attr"`
		Errors   int             `xml:"errors,attr"`
		Skipped  int             `xml:"skipped,attr"`
		About    []junitProperty `xml:"properties>property"`
		Cases    []junitCase     `xml:"testcase"`
		Out      string          `xml:"system-out"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Failure *junitMessage `xml:"failure"`
		Error   *junitMessage `xml:"error"`
		Skipped *junitMessage `xml:"skipped"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
	}
)

func (n notices) junit(w io.Writer, suite string) error {
	s := junitSuite{Name: suite, Tests: len(n.Checks), Out: n.Title}
	for _, m := range n.Made {
		s.About = append(s.About, junitProperty{slug(m.What), m.How})
	}
	for _, e := range n.Files {
		if p := (junitProperty{"sha256 of " + e.Path, e.SHA256}); e.SHA256 != "" && !slices.Contains(s.About, p) {
			s.About = append(s.About, p)
		}
	}
	for _, c := range n.Checks {
		one := junitCase{Name: c.Name, Class: suite}
		message := &junitMessage{c.Message}
		switch c.Result {
		case "fail":
			one.Failure = message
			s.Failures++
		case "error":
			one.Error = message
			s.Errors++
		case "skip":
			one.Skipped = message
			s.Skipped++
		}
		s.Cases = append(s.Cases, one)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", " ")
	if err := enc.Encode(junitSuites{Name: "inquest", Tests: s.Tests, Failures: s.Failures, Errors: s.Errors, Suite: s}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
