package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"inquest/analyze/claim"
	"inquest/analyze/evidence/bound"
	"inquest/analyze/evidence/exectrace"
)

// WriteJSON writes r as the JSON contract, described in docs/json.md: indented,
// nothing that a terminal would obey left unescaped. It leaves r as New and Read
// leave it: without nil slices.
func WriteJSON(w io.Writer, r *Report) error {
	normalise(r)
	return writeJSON(w, r, joinNumbers)
}

// writeJSON writes a document of ours, indented and with nothing hidden in it. polish,
// which may be nil, has the text before that.
func writeJSON(w io.Writer, document any, polish func([]byte) []byte) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // commands hold & and names <; no browser reads this as HTML
	enc.SetIndent("", " ")
	if err := enc.Encode(document); err != nil {
		return err
	}
	text := buf.Bytes()
	if polish != nil {
		text = polish(text)
	}
	_, err := newGuard(w, inJSON).Write(escapeHidden(text))
	return err
}

var (
	numbers = regexp.MustCompile(`\[\n *-?[0-9][0-9.eE+-]*(,\n *-?[0-9][0-9.eE+-]*)*\n *\]`)
	breaks  = regexp.MustCompile(`\n *`)
)

// joinNumbers puts lists of numbers on one line each. No string can hold what it
// matches, because JSON escapes line breaks in strings.
func joinNumbers(text []byte) []byte {
	return numbers.ReplaceAllFunc(text, func(list []byte) []byte { return breaks.ReplaceAll(list, nil) })
}

// escapeHidden writes characters that a terminal or editor would act on as JSON
// escapes, which every reader turns back.
func escapeHidden(text []byte) []byte {
	var out []byte
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r < 0x80 && r != 0x7F || !claim.Hidden(r):
			out = append(out, text[i:i+n]...)
		case r > 0xFFFF:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += n
	}
	return out
}

// maxRead bounds what Read takes in. A full case is well under a megabyte.
const maxRead = 64 << 20

// Read reads a report that WriteJSON wrote. It refuses other schemas, unknown
// fields, dangling references, texts over 16 KiB and anything over 64 MiB, so that a view of a
// saved report never silently shows less than it held.
func Read(in io.Reader) (*Report, error) {
	text, err := io.ReadAll(io.LimitReader(in, maxRead+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxRead {
		return nil, fmt.Errorf("not a report: larger than %d MiB", maxRead>>20)
	}
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("not a report: %w", err)
	}
	if head.Schema != Schema {
		if strings.HasPrefix(head.Schema, "inquest/report/") {
			return nil, fmt.Errorf("report has schema %q, this version reads %q", clean(head.Schema), Schema)
		}
		return nil, fmt.Errorf("not a report: no schema %q", Schema)
	}
	r := &Report{}
	if err := readJSON(text, r); err != nil {
		if strings.Contains(err.Error(), "unknown field") {
			return nil, fmt.Errorf("%s: written by a newer version or by hand", clean(err.Error()))
		}
		return nil, errors.New(clean(err.Error()))
	}
	spanned(r, r.Spans)
	normalise(r)
	if err := r.check(); err != nil {
		return nil, err
	}
	if r.SelfHash != "" {
		differs, err := r.differs(text)
		if err != nil {
			return nil, err
		}
		r.altered = differs || r.SelfHash != r.digest()
	}
	return r, nil
}

// readJSON reads a document of ours that all readers of JSON read alike. Go takes names of fields in any case,
// and of a field that stands twice the last; another reader takes the first, or does not find it.
func readJSON(text []byte, document any) error {
	if err := plainFields(text); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return dec.Decode(document)
}

// plainFields fails on a field that stands twice in an object, or whose name is not of the characters that ours are of.
func plainFields(text []byte) error {
	type level struct {
		names map[string]bool // seen so far; nil in a list
		value bool            // what comes next is a value
	}
	var open []level
	dec := json.NewDecoder(bytes.NewReader(text))
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		in := &level{}
		if len(open) > 0 {
			in = &open[len(open)-1]
		}
		name, _ := token.(string)
		if len(name) > bound.MaxText {
			return fmt.Errorf("a text of %d bytes in it, and inquest writes none of more than %d: written by hand", len(name), bound.MaxText)
		}
		switch {
		case token == json.Delim('}'), token == json.Delim(']'):
			open = open[:len(open)-1]
			continue
		case in.names != nil && !in.value:
			if in.names[name] {
				return fmt.Errorf("field %q stands twice", name)
			}
			if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
				return fmt.Errorf("unknown field %q", name)
			}
			in.names[name], in.value = true, true
			continue
		}
		in.value = false
		switch token {
		case json.Delim('{'):
			open = append(open, level{names: map[string]bool{}})
		case json.Delim('['):
			open = append(open, level{})
		}
	}
}

// differs reports whether the text that r was read from says anything that r, written again, does not.
func (r *Report) differs(text []byte) (bool, error) {
	was, err := decodeJSON(bytes.NewReader(text))
	if err != nil {
		return false, err
	}
	is, err := decoded(r)
	if err != nil {
		return false, err
	}
	var c comparison
	c.compare("", was, is)
	return len(c.found) > 0, nil
}

// check holds a report to what the views rely on.
func (r *Report) check() error {
	exhibits := map[string]bool{"": true}
	for _, e := range r.Exhibits {
		if exhibits[e.ID] {
			return fmt.Errorf("exhibit %q is listed twice or has no id", clean(e.ID))
		}
		exhibits[e.ID] = true
	}
	findings := map[string]bool{}
	for _, f := range r.Findings {
		if findings[f.ID] {
			return fmt.Errorf("finding %q is listed twice", clean(f.ID))
		}
		findings[f.ID] = true
		for _, fact := range f.Evidence {
			if !exhibits[fact.Exhibit] {
				return fmt.Errorf("finding %q rests on exhibit %q, which is not listed", clean(f.ID), clean(fact.Exhibit))
			}
		}
	}
	chained := map[string]bool{}
	for _, c := range r.Chains {
		in := map[string]bool{}
		for _, id := range c.Findings {
			if !findings[id] || chained[id] {
				return fmt.Errorf("chain %q names finding %q, which is not listed or in two chains", clean(c.ID), clean(id))
			}
			chained[id], in[id] = true, true
		}
		if !in[c.Root] {
			return fmt.Errorf("chain %q has root %q, which is not one of its findings", clean(c.ID), clean(c.Root))
		}
		for _, l := range c.Links {
			if !in[l.From] || !in[l.To] {
				return fmt.Errorf("chain %q links %q to %q, which are not both its findings", clean(c.ID), clean(l.From), clean(l.To))
			}
		}
	}
	if len(chained) != len(findings) {
		return errors.New("a finding is in no chain")
	}
	for i := range r.Timelines {
		if err := r.Timelines[i].check(exhibits); err != nil {
			return fmt.Errorf("timeline of %q: %w", clean(r.Timelines[i].Exhibit), err)
		}
	}
	for _, b := range r.Bars {
		if !exhibits[b.Exhibit] {
			return fmt.Errorf("bars of %q, which is not listed", clean(b.Exhibit))
		}
	}
	if err := r.checkPictures(exhibits, findings); err != nil {
		return err
	}
	for _, g := range r.Growth {
		if !exhibits[g.From] || !exhibits[g.To] {
			return fmt.Errorf("growth from %q to %q, which are not both listed", clean(g.From), clean(g.To))
		}
	}
	return nil
}

// checkPictures holds what pictures are drawn from to their bounds and to each other.
func (r *Report) checkPictures(exhibits, findings map[string]bool) error {
	known := func(what string, ids map[string]bool, all ...string) error {
		for _, id := range all {
			if !ids[id] {
				return fmt.Errorf("%s %q, which is not listed", what, clean(id))
			}
		}
		return nil
	}
	for _, f := range r.Findings {
		if g := f.Graph; g != nil {
			if err := known("wait graph of", exhibits, g.Exhibit); err != nil {
				return err
			}
			if len(g.Steps) > claim.MaxWaitSteps {
				return errors.New("a wait graph has too many steps")
			}
		}
	}
	for _, f := range r.Flames {
		if err := errors.Join(known("flame graph of", exhibits, f.Exhibit), known("flame graph of finding", findings, f.Findings...)); err != nil {
			return err
		}
		if len(f.Nodes) > MaxFlameNodes {
			return errors.New("a flame graph has too many nodes")
		}
		for i, n := range f.Nodes {
			if i == 0 && n.Parent != -1 || i > 0 && (n.Parent < 0 || n.Parent >= i) {
				return errors.New("a flame graph has a call before its caller")
			}
		}
	}
	for _, d := range r.Distributions {
		if err := errors.Join(known("distribution of", exhibits, d.Exhibit), known("distribution of finding", findings, d.Findings...)); err != nil {
			return err
		}
		if len(d.Buckets) > 200 {
			return errors.New("a distribution has too many buckets")
		}
	}
	for _, c := range r.Curves {
		if err := known("curve of", exhibits, c.Exhibits...); err != nil {
			return err
		}
		if len(c.Lines) > MaxRows {
			return errors.New("a curve has too many lines")
		}
		for _, l := range c.Lines {
			if len(l.At) != len(l.Values) || len(l.At) > MaxCurvePoints || !slices.IsSorted(l.At) {
				return errors.New("a curve has uneven, too many or unordered points")
			}
		}
	}
	for _, m := range r.LockMoments {
		if err := known("lock moment of", exhibits, m.Exhibit); err != nil {
			return err
		}
		if len(m.Handed) == 0 || len(m.Handed) > exectrace.MaxHanded {
			return errors.New("a lock moment has none or too many hand-overs")
		}
	}
	if len(r.Flames) > MaxFlames || len(r.Distributions) > MaxDistributions || len(r.Curves) > MaxCurves || len(r.LockMoments) > MaxLockMoments {
		return errors.New("too much to draw")
	}
	return nil
}

func (t *Timeline) check(exhibits map[string]bool) error {
	if !exhibits[t.Exhibit] {
		return errors.New("not listed")
	}
	if t.Step < 0 || t.Duration < 0 {
		return errors.New("negative time")
	}
	steps := len(t.Running)
	if steps > MaxSteps || len(t.Procs) > 1<<12 || len(t.Heap) > MaxHeapPoints || len(t.Marks) > MaxMarks || len(t.Pauses) > MaxPauses || len(t.Locks) > MaxWaitSites {
		return errors.New("too long to draw")
	}
	for _, l := range t.Locks {
		if len(l.Worst) > MaxWaitSpans {
			return errors.New("too many waits to draw")
		}
	}
	for _, series := range append([][]float64{t.Runnable, t.Waiting, t.Syscall, t.SyncWait, t.GC}, t.Procs...) {
		if len(series) != steps {
			return errors.New("series of different lengths")
		}
	}
	return nil
}
