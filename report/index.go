package report

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"io"
	"path"
	"reflect"
	"slices"
	"strings"
	texttemplate "text/template"
	"time"

	"github.com/charmbracelet/lipgloss"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/templates"
)

// IndexSchema names the JSON contract of an index. Fields are only ever added to it.
const IndexSchema = "inquest/index/v1"

// Index lists the cases of one run, worst first.
type Index struct {
	Schema   string      `json:"schema"`
	Tool     Tool        `json:"tool"`
	Command  string      `json:"command,omitempty"`
	Argv     []string    `json:"command_argv,omitempty"` // the same as words
	Redacted *Redaction  `json:"redacted,omitempty"`
	Cases    []IndexCase `json:"cases"`
	// PassedOver names the folders that hold nothing to read, and so are no cases.
	PassedOver []string `json:"passed_over"`
}

// Results of a case in an index.
const (
	CaseFound  = "found"  // there are findings
	CaseClear  = "clear"  // there are none
	CaseFailed = "failed" // it could not be analysed
)

// IndexCase is one case: what stands at the top of its report.
type IndexCase struct {
	Case        string           `json:"case"`
	Result      string           `json:"result"`
	Severity    claim.Severity   `json:"severity"`             // of its worst chain; none when there is none
	Confidence  claim.Confidence `json:"confidence,omitempty"` // of that chain
	Verdict     string           `json:"verdict"`              // sentence; why it failed, where it did
	Detector    string           `json:"detector,omitempty"`   // of the root of that chain
	Title       string           `json:"title,omitempty"`      // of that root
	Site        claim.Site       `json:"site"`                 // of that root
	Fingerprint string           `json:"fingerprint,omitempty"`
	Findings    int              `json:"findings"`
	Exhibits    int              `json:"exhibits"`
	Bytes       int64            `json:"bytes"`          // of its files together
	From        *time.Time       `json:"from,omitempty"` // first moment that an exhibit with a clock covers
	Reports     []string         `json:"reports"`        // files, relative to the index
	Kinds       []evidence.Kind  `json:"kinds"`
}

// NewIndex starts an index with what its cases' reports say of themselves.
func NewIndex(tool Tool, argv []string) *Index {
	return &Index{Schema: IndexSchema, Tool: tool, Argv: argv, Command: CommandLine(argv)}
}

// Add enters a case by its report. Nothing else of the report is kept.
func (x *Index) Add(r *Report, reports []string) {
	v := newView(r)
	c := IndexCase{Case: r.Case.Title, Result: CaseClear, Verdict: v.Headline, Findings: len(r.Findings), Exhibits: len(r.Exhibits), From: r.Case.Window.From, Reports: reports}
	seen := map[string]bool{}
	for _, e := range r.Exhibits {
		if file := e.Path + e.SHA256; !seen[file] {
			seen[file] = true
			c.Bytes += e.Bytes
		}
		if !slices.Contains(c.Kinds, e.Kind) && e.Kind != evidence.Provenance {
			c.Kinds = append(c.Kinds, e.Kind)
		}
	}
	if len(v.Chains) > 0 {
		chain := v.Chains[0]
		c.Result, c.Severity, c.Confidence = CaseFound, chain.Severity, chain.Confidence
		root := chain.Root
		c.Detector, c.Title, c.Site, c.Fingerprint = root.Detector, root.Title.String(), root.Site, root.Fingerprint
		c.Verdict = capital(strings.TrimRight(root.Summary.String(), ". "))
	}
	x.Cases = append(x.Cases, c)
}

// Fail enters a case that could not be analysed.
func (x *Index) Fail(name, why string) {
	x.Cases = append(x.Cases, IndexCase{Case: name, Result: CaseFailed, Verdict: why})
}

// Sort puts the cases in order: severity, confidence, name. Those that failed
// come before those in which nothing was found.
func (x *Index) Sort() {
	rank := func(c IndexCase) int { return slices.Index([]string{CaseFound, CaseFailed, CaseClear}, c.Result) }
	sure := func(c IndexCase) int {
		return slices.Index([]claim.Confidence{claim.High, claim.Medium, claim.Low}, c.Confidence)
	}
	slices.SortStableFunc(x.Cases, func(a, b IndexCase) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), -cmp.Compare(a.Severity, b.Severity), cmp.Compare(sure(a), sure(b)), cmp.Compare(a.Case, b.Case))
	})
}

// indexView is an index arranged for reading.
type indexView struct {
	*Index
	Groups []indexGroup // cases with findings, by root
	Failed []IndexCase
	Clear  []IndexCase
}

// indexGroup is cases with one and the same root: the same claim at the same place.
type indexGroup struct {
	IndexCase             // the worst of them
	Cases     []IndexCase // all of them, worst first
}

func newIndexView(x *Index) *indexView {
	x.Sort()
	clone := *x
	walk(reflect.ValueOf(&clone).Elem(), clean)
	v := &indexView{Index: &clone}
	at := map[string]int{}
	for _, c := range clone.Cases {
		switch c.Result {
		case CaseFailed:
			v.Failed = append(v.Failed, c)
		case CaseClear:
			v.Clear = append(v.Clear, c)
		default:
			i, ok := at[c.Fingerprint]
			if !ok {
				i = len(v.Groups)
				at[c.Fingerprint] = i
				v.Groups = append(v.Groups, indexGroup{IndexCase: c})
			}
			v.Groups[i].Cases = append(v.Groups[i].Cases, c)
		}
	}
	// The same thing in many cases comes before what is as bad in one.
	slices.SortStableFunc(v.Groups, func(a, b indexGroup) int {
		if c := -cmp.Compare(a.Severity, b.Severity); c != 0 {
			return c
		}
		return -cmp.Compare(len(a.Cases), len(b.Cases))
	})
	return v
}

// Headline is the outcome in one sentence.
func (v *indexView) Headline() string {
	count := map[string]int{}
	for _, c := range v.Cases {
		switch {
		case c.Result != CaseFound:
			count[c.Result]++
		default:
			count[c.Severity.String()]++
		}
	}
	var parts []string
	for _, w := range []struct{ key, says string }{
		{"critical", "%d critical"}, {"warning", "%d with a warning"}, {"info", "%d worth knowing"}, {CaseClear, "%d without a finding"}, {CaseFailed, "%d could not be analysed"},
	} {
		if count[w.key] > 0 {
			parts = append(parts, fmt.Sprintf(w.says, count[w.key]))
		}
	}
	return evidence.Things(len(v.Cases), "case").String() + ": " + strings.Join(parts, ", ")
}

// Made is how the index came about.
func (v *indexView) Made() []made { return custody(v.Tool, v.Argv, v.Redacted) }

// Link is the report that a case's name leads to.
func (c IndexCase) Link() string {
	for _, ext := range []string{".html", ".md"} {
		for _, r := range c.Reports {
			if strings.HasSuffix(r, ext) {
				return r
			}
		}
	}
	if len(c.Reports) > 0 {
		return c.Reports[0]
	}
	return ""
}

// Holds is what a case's evidence is.
func (c IndexCase) Holds() string {
	var kinds []string
	for _, k := range c.Kinds {
		kinds = append(kinds, k.Name().String())
	}
	return join(", ", evidence.Things(c.Exhibits, "exhibit").String(), strings.Join(kinds, ", "), evidence.Of(c.Bytes, evidence.Bytes).String())
}

// Extent is how much a case's evidence is.
func (c IndexCase) Extent() string {
	return evidence.Things(c.Exhibits, "exhibit").String() + ", " + evidence.Of(c.Bytes, evidence.Bytes).String()
}

// Taken is when the case begins.
func (c IndexCase) Taken() string {
	if c.From == nil {
		return ""
	}
	return c.From.UTC().Format("2006-01-02 15:04:05")
}

// Place is where the root of a case stands.
func (c IndexCase) Place() string { return place(c.Site) }

// indexFormats are the forms an index is written in.
var indexFormats = []struct {
	name, extension string
	write           func(io.Writer, *Index) error
}{
	{"text", ".txt", guarded(inText, func(w io.Writer, x *Index) error { return WriteIndexTerminal(w, x, TerminalOptions{}) })},
	{"markdown", ".md", guarded(inText, WriteIndexMarkdown)},
	{"html", ".html", guarded(inMarkup, WriteIndexHTML)},
	{"json", ".json", WriteIndexJSON},
}

// IndexForName returns the writer of a format and the extension of its files.
func IndexForName(name string) (write func(io.Writer, *Index) error, extension string, ok bool) {
	for _, f := range indexFormats {
		if f.name == name || f.extension == "."+name {
			return f.write, f.extension, true
		}
	}
	return nil, "", false
}

// ExtensionOf returns the customary extension of a report's format.
func ExtensionOf(name string) string {
	for _, f := range formats {
		if f.name == name || slices.Contains(f.extensions, "."+name) {
			return f.extensions[0]
		}
	}
	return ""
}

// WriteIndexJSON writes x as the JSON contract.
func WriteIndexJSON(w io.Writer, x *Index) error {
	x.Sort()
	clone := *x
	walk(reflect.ValueOf(&clone).Elem(), valid)
	return writeJSON(w, clone, nil)
}

var indexHTML = template.Must(template.New("index.html").Funcs(template.FuncMap{
	"prose": func(s string) []piece { return pieces(keepUnits(s)) },
	"level": level,
	"file":  shortFile,
	"href":  func(name string) string { return "./" + name },
	"head":  func(all []IndexCase) []IndexCase { return first(maxShown, all) },
	"tail":  func(all []IndexCase) []IndexCase { return rest(maxShown, all) },
}).Parse(templates.IndexHTML))

// WriteIndexHTML writes x as one self-contained page under the same policy as a
// report's, without any script.
func WriteIndexHTML(w io.Writer, x *Index) error {
	css := templates.CSS + templates.IndexCSS
	var buf bytes.Buffer
	err := indexHTML.Execute(&buf, struct {
		*indexView
		Style     template.CSS
		StyleHash string
	}{newIndexView(x), template.CSS(css), digest(css)})
	if err != nil {
		return err
	}
	_, err = w.Write(buf.Bytes())
	return err
}

var indexMarkdown = texttemplate.Must(texttemplate.New("index.md").Funcs(texttemplate.FuncMap{
	"text": markdownText,
	"para": markdownBlock,
	"code": markdownCode,
	"link": func(c IndexCase) string {
		name := c.Link()
		if name == "" || strings.ContainsAny(c.Case, "[]()`<>\\|*_!&") {
			return join(" ", markdownCode(c.Case), markdownCode(name))
		}
		return "[" + c.Case + "](" + path.Clean(name) + ")"
	},
	"file": shortFile,
	"head": func(all []IndexCase) []IndexCase { return first(maxShown, all) },
	"tail": func(all []IndexCase) []IndexCase { return rest(maxShown, all) },
}).Parse(templates.IndexMarkdown))

// WriteIndexMarkdown writes x as a page of GitHub Flavored Markdown.
func WriteIndexMarkdown(w io.Writer, x *Index) error {
	var buf bytes.Buffer
	if err := indexMarkdown.Execute(&buf, newIndexView(x)); err != nil {
		return err
	}
	_, err := w.Write(blankLines.ReplaceAll(buf.Bytes(), []byte("\n\n")))
	return err
}

// WriteIndexTerminal writes x for reading in a terminal.
func WriteIndexTerminal(w io.Writer, x *Index, opt TerminalOptions) error {
	t := newTerminal(opt)
	v := newIndexView(x)
	plain := lipgloss.Style{}
	t.line(0, t.strong, "inquest: "+v.Headline())
	for _, g := range v.Groups {
		t.gap()
		t.line(0, t.levels[g.Severity], strings.ToUpper(g.Severity.String())+"  "+g.Title+": "+g.Place())
		t.line(2, t.faint, join(", ", shortFile(g.Site), "confidence "+string(g.Confidence), evidence.Things(len(g.Cases), "case").String()))
		t.line(2, plain, g.Verdict+".")
		for i, c := range g.Cases {
			if i == maxListed {
				t.line(4, t.faint, fmt.Sprintf("and %d more", len(g.Cases)-i))
				break
			}
			t.hang(6, "- ", plain, join("  ", c.Case, c.Extent(), c.Taken()))
		}
	}
	list := func(title string, cases []IndexCase, why bool) {
		var items []string
		for _, c := range cases {
			if why {
				items = append(items, c.Case+": "+c.Verdict)
			} else {
				items = append(items, c.Case)
			}
		}
		t.list(title, items)
	}
	list("Could not be analysed", v.Failed, true)
	list("Without a finding", v.Clear, false)
	t.list("Passed over, as nothing in them is evidence", v.PassedOver)
	_, err := io.WriteString(w, t.out.String())
	return err
}

// maxShown is how many cases with the same root a page shows before it folds the rest.
const maxShown = 3

// maxListed is how many cases of a group the terminal lists; the other views list all.
const maxListed = 12
