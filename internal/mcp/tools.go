package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/look"
	"inquest/report"
)

// caseInput names a case and what of it to look at.
type caseInput struct {
	Paths  []string `json:"paths,omitempty" jsonschema:"files, folders or archives of one case, in a root; without any the root itself"`
	Only   []string `json:"only,omitempty" jsonschema:"run only these detectors"`
	Label  string   `json:"label,omitempty" jsonschema:"look only at samples and goroutines with the pprof label KEY=VALUE"`
	Task   string   `json:"task,omitempty" jsonschema:"look only at user tasks of this type in traces"`
	Window string   `json:"window,omitempty" jsonschema:"look only at FROM,TO: offsets from the start of the trace such as 1.2s,3s, or RFC 3339 times"`
	From   int      `json:"from,omitempty" jsonschema:"findings to leave out, for the next page"`
	Size   int      `json:"size,omitempty" jsonschema:"findings of a page; by default as many as fit"`
}

func (s *server) analyze(ctx context.Context, r *mcp.CallToolRequest, in caseInput) (*mcp.CallToolResult, Analysis, error) {
	doc, err := s.judged(ctx, r, in)
	if err != nil {
		return nil, Analysis{}, err
	}
	return nil, summary(doc, in.Only, in.From, in.Size), nil
}

type accountInput struct {
	Paths  []string `json:"paths,omitempty" jsonschema:"files, folders or archives of one case, in a root; without any the root itself"`
	Name   string   `json:"name,omitempty" jsonschema:"one account: processors, operations, memory, goroutines or contention; empty for all"`
	Task   string   `json:"task,omitempty" jsonschema:"look only at user tasks of this type in traces"`
	Window string   `json:"window,omitempty" jsonschema:"look only at FROM,TO: offsets from the start of the trace such as 1.2s,3s, or RFC 3339 times"`
	Size   int      `json:"size,omitempty" jsonschema:"parts of each account, 8 by default"`
}

type accountOutput struct {
	Accounts []Account `json:"accounts"`
}

func (s *server) account(ctx context.Context, r *mcp.CallToolRequest, in accountInput) (*mcp.CallToolResult, accountOutput, error) {
	doc, err := s.judged(ctx, r, caseInput{Paths: in.Paths, Task: in.Task, Window: in.Window})
	if err != nil {
		return nil, accountOutput{}, err
	}
	if in.Name != "" && !slices.Contains(claim.AccountNames, in.Name) {
		return nil, accountOutput{}, fmt.Errorf("no account %q: there are %s", in.Name, strings.Join(claim.AccountNames, ", "))
	}
	out := accountOutput{Accounts: []Account{}}
	for _, a := range accountsOf(doc) {
		if in.Name == "" || a.Name == in.Name {
			out.Accounts = append(out.Accounts, account(a, in.Size))
		}
	}
	return nil, out, nil
}

// judged is the report of a case.
func (s *server) judged(ctx context.Context, r *mcp.CallToolRequest, in caseInput) (*report.Report, error) {
	paths, err := s.paths(in.Paths)
	if err != nil {
		return nil, err
	}
	args := []string{"analyze", "-q", "-f", "json", "--config="}
	for _, o := range [][2]string{{"--only", strings.Join(in.Only, ",")}, {"--label", in.Label}, {"--task", in.Task}, {"--window", in.Window}} {
		if o[1] != "" {
			args = append(args, o[0]+"="+o[1])
		}
	}
	out, _, err := s.run(ctx, r, 1, append(append(args, "--"), paths...)...)
	if err != nil {
		return nil, err
	}
	return report.Read(bytes.NewReader(out))
}

// textOutput is an answer in words.
type textOutput struct {
	Text string `json:"text"`
	From int    `json:"from,omitempty"` // bytes left out before it
	Next int    `json:"next,omitempty"` // from of the page after it; 0 when this is the last
}

// pageBytes is how long a page of words is: about 1,500 tokens.
const pageBytes = 6000

// paged cuts a page out of a text, at the end of a line where there is one.
func paged(text []byte, from int) textOutput {
	from = min(max(from, 0), len(text))
	to := min(from+pageBytes, len(text))
	if to < len(text) {
		if i := bytes.LastIndexByte(text[from:to], '\n'); i > 0 {
			to = from + i + 1
		}
	}
	out := textOutput{Text: strings.ToValidUTF8(string(text[from:to]), "\uFFFD"), From: from}
	if to < len(text) {
		out.Next = to
	}
	return out
}

type inspectInput struct {
	Paths []string `json:"paths,omitempty" jsonschema:"files, folders or archives of one case, in a root; without any the root itself"`
	From  int      `json:"from,omitempty" jsonschema:"where to go on, from next of the page before"`
}

func (s *server) inspect(ctx context.Context, r *mcp.CallToolRequest, in inspectInput) (*mcp.CallToolResult, textOutput, error) {
	paths, err := s.paths(in.Paths)
	if err != nil {
		return nil, textOutput{}, err
	}
	out, _, err := s.run(ctx, r, 1, append([]string{"inspect", "--"}, paths...)...)
	return nil, paged(out, in.From), err
}

type explainInput struct {
	Detector string `json:"detector,omitempty" jsonschema:"id of a detector, as findings name it; empty lists all"`
	From     int    `json:"from,omitempty" jsonschema:"where to go on, from next of the page before"`
}

func (s *server) explain(ctx context.Context, r *mcp.CallToolRequest, in explainInput) (*mcp.CallToolResult, textOutput, error) {
	args := []string{"explain"}
	if in.Detector != "" {
		args = append(args, "--", in.Detector)
	}
	out, _, err := s.run(ctx, r, 0, args...)
	return nil, paged(out, in.From), err
}

type diffInput struct {
	Before    string `json:"before" jsonschema:"file, folder or archive of the side before the change, in a root"`
	After     string `json:"after" jsonschema:"the same of the side after it"`
	Ops       string `json:"ops,omitempty" jsonschema:"operations that each profile of a side covers, as BEFORE,AFTER"`
	MinEffect string `json:"min_effect,omitempty" jsonschema:"smallest change that counts, such as 5% or 10MB"`
	From      int    `json:"from,omitempty" jsonschema:"where to go on in text, from next of the page before"`
}

type diffOutput struct {
	Verdict string `json:"verdict"` // regression, tradeoff, improvement, pass or inconclusive
	Why     string `json:"why"`
	textOutput
}

func (s *server) diff(ctx context.Context, r *mcp.CallToolRequest, in diffInput) (*mcp.CallToolResult, diffOutput, error) {
	sides, err := s.paths([]string{in.Before, in.After})
	if err != nil {
		return nil, diffOutput{}, err
	}
	args := []string{"diff", "-q"}
	if in.Ops != "" {
		args = append(args, "--ops="+in.Ops)
	}
	if in.MinEffect != "" {
		args = append(args, "--min-effect="+in.MinEffect)
	}
	for i := range sides {
		sides[i] = literal(sides[i])
	}
	text, _, err := s.run(ctx, r, 1, append(append(args, "-f", "md", "--"), sides...)...)
	if err != nil {
		return nil, diffOutput{}, err
	}
	doc, _, err := s.run(ctx, r, 1, append(append(args, "-f", "json", "--"), sides...)...)
	if err != nil {
		return nil, diffOutput{}, err
	}
	var d struct{ Verdict, Why string }
	if err := json.Unmarshal(doc, &d); err != nil {
		return nil, diffOutput{}, err
	}
	return nil, diffOutput{d.Verdict, d.Why, paged(text, in.From)}, nil
}

// literal writes a path so that diff takes it for no pattern of several.
func literal(path string) string {
	var b strings.Builder
	for _, c := range path {
		if strings.ContainsRune(`*?[\`, c) {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}

type evidenceInput struct {
	Path      string `json:"path" jsonschema:"file, folder or archive that holds the exhibit, in a root"`
	Exhibit   string `json:"exhibit,omitempty" jsonschema:"id of the exhibit (e1, e2, ...) as analyze and inspect of the same path name it; needed where the path holds several"`
	Function  string `json:"function,omitempty" jsonschema:"only what passes through this function"`
	Column    string `json:"column,omitempty" jsonschema:"of a profile: the sample type, such as alloc_space"`
	Goroutine int64  `json:"goroutine,omitempty" jsonschema:"of a dump: this goroutine alone"`
	Window    string `json:"window,omitempty" jsonschema:"of a trace: FROM,TO as offsets from its start, such as 1.2s,3s"`
	Lines     *bool  `json:"lines,omitempty" jsonschema:"of a text: list its lines"`
	Holding   string `json:"holding,omitempty" jsonschema:"of a text: only the lines that hold this"`
	From      int    `json:"from,omitempty" jsonschema:"rows to leave out, for the next page"`
	Size      int    `json:"size,omitempty" jsonschema:"rows of a page, 10 by default"`
}

func (s *server) evidence(ctx context.Context, r *mcp.CallToolRequest, in evidenceInput) (*mcp.CallToolResult, look.Page, error) {
	page, err := s.lookAt(ctx, r, in)
	return nil, page, err
}

func (s *server) lookAt(ctx context.Context, r *mcp.CallToolRequest, in evidenceInput) (look.Page, error) {
	path, err := s.inside(in.Path)
	if err != nil {
		return look.Page{}, err
	}
	if in.Size == 0 {
		in.Size = 10
	}
	q := look.Question{Function: in.Function, Column: in.Column, Goroutine: in.Goroutine, From: in.From, Size: in.Size}
	lines := in.Holding != "" || in.Lines != nil && *in.Lines
	if info, err := os.Stat(path); err == nil && lines && info.Mode().IsRegular() {
		return linesOf(ctx, path, in.Holding, q)
	}
	opt := evidence.Options{}
	if in.Window != "" {
		if opt.Focus.From, opt.Focus.To, err = evidence.ParseWindow(in.Window); err != nil {
			return look.Page{}, err
		}
	}
	if tell := progressOf(ctx, r); tell != nil {
		opt.Progress = func(done, total, _ int64) { tell(done, total) }
	}
	s.one.Lock()
	defer s.one.Unlock()
	b, err := evidence.Open(ctx, []string{path}, opt)
	if b != nil {
		defer b.Free()
	}
	if err != nil {
		return look.Page{}, err
	}
	e, err := exhibitOf(b, in.Exhibit)
	if err != nil {
		return look.Page{}, err
	}
	if lines {
		dir := path // exhibits of a folder are named from it, a file by its own name
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			dir = filepath.Dir(path)
		}
		file, err := s.inside(filepath.Join(dir, filepath.FromSlash(e.Path)))
		if err != nil {
			return look.Page{}, fmt.Errorf("%s lies in an archive: unpack it to see its lines", e.Path)
		}
		return linesOf(ctx, file, in.Holding, q)
	}
	return look.At(e, q)
}

// exhibitOf finds the exhibit that is asked for; one alone need not be named.
func exhibitOf(b *evidence.Bundle, id string) (*evidence.Exhibit, error) {
	if e := b.Exhibit(id); e != nil {
		return e, nil
	}
	var names []string
	for _, e := range b.Exhibits {
		names = append(names, fmt.Sprintf("%s (%s, %s)", e.ID, e.Path, e.Kind))
	}
	switch {
	case len(names) == 0:
		return nil, errors.New("the path holds no evidence")
	case len(names) == 1 && id == "":
		return b.Exhibits[0], nil
	case len(names) > 50:
		names = append(names[:50], "and more")
	}
	return nil, fmt.Errorf("say which exhibit: %s", strings.Join(names, ", "))
}

func linesOf(ctx context.Context, path, holding string, q look.Question) (look.Page, error) {
	f, err := evidence.OpenFile(ctx, path)
	if err != nil {
		return look.Page{}, err
	}
	defer f.Close()
	return look.Lines(ctx, f, holding, q)
}

type captureInput struct {
	URL     string `json:"url" jsonschema:"http://HOST:PORT of a net/http/pprof server"`
	Folder  string `json:"folder" jsonschema:"name of the folder to make, in the first root"`
	Seconds int    `json:"seconds,omitempty" jsonschema:"length of the CPU, mutex and block profiles, 10 by default"`
	DryRun  bool   `json:"dry_run,omitempty" jsonschema:"only say what would be taken and what it costs the program"`
}

func (s *server) capture(ctx context.Context, r *mcp.CallToolRequest, in captureInput) (*mcp.CallToolResult, textOutput, error) {
	if !filepath.IsLocal(in.Folder) || filepath.Base(in.Folder) != in.Folder || in.Folder == "." {
		return nil, textOutput{}, fmt.Errorf("folder %s: want the name of a folder to make", in.Folder)
	}
	if !strings.HasPrefix(in.URL, "http://") && !strings.HasPrefix(in.URL, "https://") {
		return nil, textOutput{}, fmt.Errorf("url %s: want http://HOST:PORT", in.URL)
	}
	args := []string{"capture", "-o", filepath.Join(s.roots[0], in.Folder)}
	if in.Seconds > 0 {
		args = append(args, fmt.Sprintf("--seconds=%d", in.Seconds))
	}
	if in.DryRun {
		args = append(args, "--dry-run")
	}
	out, _, err := s.run(ctx, r, 0, append(args, in.URL)...)
	if len(out) == 0 {
		out = []byte("recorded into " + in.Folder + ": analyze it next\n")
	}
	return nil, paged(out, 0), err
}
