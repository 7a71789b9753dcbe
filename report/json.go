package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"inquest/analyze/claim"
	"inquest/internal/safe"
)

// WriteJSON writes r as the JSON contract, described in docs/json.md: indented,
// nothing that a terminal would obey left unescaped. It leaves r as New and Read
// leave it: without nil slices.
func WriteJSON(w io.Writer, r *Report) error {
	normalise(r)
	return safe.WriteJSON(w, r, joinNumbers)
}

// normalise makes r what Read would make of its JSON.
func normalise(r *Report) {
	safe.Validate(r)
	r.Spans = safe.Spans(r)
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

// Read reads a report that WriteJSON wrote. It refuses other schemas, unknown
// fields, dangling references, texts over 16 KiB and anything over 64 MiB, so that a view of a
// saved report never silently shows less than it held.
func Read(in io.Reader) (*Report, error) {
	text, err := io.ReadAll(io.LimitReader(in, safe.MaxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(text) > safe.MaxDocument {
		return nil, fmt.Errorf("not a report: larger than %d MiB", safe.MaxDocument>>20)
	}
	var head struct {
		Schema string `json:"schema"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("not a report: %w", err)
	}
	if head.Schema != Schema {
		if strings.HasPrefix(head.Schema, "inquest/report/") {
			return nil, fmt.Errorf("report has schema %q, this version reads %q", safe.Clean(head.Schema), Schema)
		}
		return nil, fmt.Errorf("not a report: no schema %q", Schema)
	}
	r := &Report{}
	if err := safe.ReadJSON(text, r); err != nil {
		if strings.Contains(err.Error(), "unknown field") {
			return nil, fmt.Errorf("%s: written by a newer version or by hand", safe.Clean(err.Error()))
		}
		return nil, errors.New(safe.Clean(err.Error()))
	}
	safe.Mark(r, r.Spans)
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
			return fmt.Errorf("exhibit %q is listed twice or has no id", safe.Clean(e.ID))
		}
		exhibits[e.ID] = true
	}
	findings := map[string]bool{}
	for _, f := range r.Findings {
		if findings[f.ID] {
			return fmt.Errorf("finding %q is listed twice", safe.Clean(f.ID))
		}
		findings[f.ID] = true
		if g := f.Graph; g != nil && (!exhibits[g.Exhibit] || len(g.Steps) > claim.MaxWaitSteps) {
			return fmt.Errorf("finding %q has a wait graph of an exhibit that is not listed, or with too many steps", safe.Clean(f.ID))
		}
		for _, fact := range f.Evidence {
			if !exhibits[fact.Exhibit] {
				return fmt.Errorf("finding %q rests on exhibit %q, which is not listed", safe.Clean(f.ID), safe.Clean(fact.Exhibit))
			}
		}
	}
	chained := map[string]bool{}
	for _, c := range r.Chains {
		in := map[string]bool{}
		for _, id := range c.Findings {
			if !findings[id] || chained[id] {
				return fmt.Errorf("chain %q names finding %q, which is not listed or in two chains", safe.Clean(c.ID), safe.Clean(id))
			}
			chained[id], in[id] = true, true
		}
		if !in[c.Root] {
			return fmt.Errorf("chain %q has root %q, which is not one of its findings", safe.Clean(c.ID), safe.Clean(c.Root))
		}
		for _, l := range c.Links {
			if !in[l.From] || !in[l.To] {
				return fmt.Errorf("chain %q links %q to %q, which are not both its findings", safe.Clean(c.ID), safe.Clean(l.From), safe.Clean(l.To))
			}
		}
	}
	if len(chained) != len(findings) {
		return errors.New("a finding is in no chain")
	}
	for i := range r.Accounts {
		if a := &r.Accounts[i]; !exhibits[a.Exhibit] {
			return fmt.Errorf("account of %q, which is not listed", safe.Clean(a.Exhibit))
		} else if err := a.Check(); err != nil {
			return fmt.Errorf("account of %q: %w", safe.Clean(a.Exhibit), err)
		}
	}
	if err := r.Set.Check(exhibits, findings); err != nil {
		return errors.New(safe.Clean(err.Error()))
	}
	return nil
}
