package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/report/internal/tokens"
)

// Results of a verification.
const (
	Intact     = "ok"         // the same bytes
	Changed    = "changed"    // a file of that name has other bytes
	Lost       = "missing"    // neither name nor bytes are there
	Extra      = "extra"      // a file that the report does not name
	Unhashed   = "unhashed"   // the report holds no hash of it
	Unreadable = "unreadable" // it cannot be read now
)

// Verified is what became of one file of a report.
type Verified struct {
	Path   string // as the report has it; of an extra file its own
	Result string
	Found  string // path of the file with these bytes, where it is not Path
	SHA256 string // that the report holds
	Is     string // digest of a changed file
	Why    string // it is unreadable
}

// Verify holds the files of a case against the hashes of its report. Files are
// told by name, then by their bytes; those of a redacted report by their bytes alone.
// One file stands for one file of the report.
func Verify(r *Report, files []evidence.File) []Verified {
	byName, byHash, used := map[string]int{}, map[string][]int{}, map[int]bool{}
	for i, f := range files {
		byName[f.Path] = i
		byHash[f.SHA256] = append(byHash[f.SHA256], i)
	}
	var out []Verified
	seen := map[[2]string]bool{}
	for _, e := range r.Exhibits {
		if key := [2]string{e.Path, e.SHA256}; seen[key] {
			continue // one file, several exhibits
		} else {
			seen[key] = true
		}
		v := Verified{Path: e.Path, SHA256: e.SHA256, Result: Lost}
		i, named := byName[e.Path]
		if named = named && r.Redacted == nil; named {
			used[i] = true
		}
		switch {
		case e.SHA256 == "":
			v.Result = Unhashed
		case named && files[i].SHA256 == e.SHA256:
			v.Result = Intact
		case named && files[i].SHA256 == "":
			v.Result, v.Why = Unreadable, files[i].Why
		case named:
			v.Result, v.Is = Changed, files[i].SHA256
		}
		out = append(out, v)
	}
	findByBytes(out, files, byHash, used) // now that each name has its file
	narrowed := map[string]bool{}         // a narrowed report lists what it left out by name
	if r.Focus != nil {
		for _, f := range r.Focus.Exhibits {
			narrowed[f.Path] = true
		}
	}
	for i, f := range files {
		switch {
		case used[i] || narrowed[f.Path]:
		case f.SHA256 == "":
			out = append(out, Verified{Path: f.Path, Result: Unreadable, Why: f.Why})
		case f.Likely:
			out = append(out, Verified{Path: f.Path, Result: Extra})
		}
	}
	slices.SortStableFunc(out, func(a, b Verified) int { return cmp.Compare(a.Path, b.Path) })
	return out
}

// findByBytes finds the files that have other names than the report says, or that others of theirs stand under.
func findByBytes(out []Verified, files []evidence.File, byHash map[string][]int, used map[int]bool) {
	for i := range out {
		v := &out[i]
		if v.Result != Lost && v.Result != Changed {
			continue
		}
		for _, same := range byHash[v.SHA256] {
			if used[same] {
				continue
			}
			v.Found = files[same].Path
			if v.Result == Lost {
				v.Result, used[same] = Intact, true
			}
			break
		}
	}
}

// Difference is a place at which a report is not what its evidence gives.
type Difference struct {
	Path string // of JSON, such as findings[0].severity
	Was  string // JSON in the report; empty where it has nothing
	Is   string // JSON by replay; empty where it has nothing
}

// maxDifferences bounds how many are listed; one change may move everything behind it.
const maxDifferences = 10_000

// Differences compares a saved report with one made again from its evidence, field by
// field. What only says how inquest was called is left out: the command, the
// title and the revision of the program. Tokens of a redacted report may have other numbers, each the same one
// throughout. The hash of the content is left out too, because [Report.Altered] tells more.
func Differences(saved, replay *Report) ([]Difference, error) {
	a, b := *saved, *replay
	for _, r := range []*Report{&a, &b} {
		r.SelfHash, r.Command, r.Argv, r.Case.Title, r.Tool.Revision = "", "", nil, "", ""
	}
	if saved.Redacted != nil {
		if b.Redacted != nil {
			redacted := *b.Redacted
			redacted.Mapping = saved.Redacted.Mapping
			b.Redacted = &redacted
		}
		b.Findings = slices.Clone(b.Findings)
		b.Baseline = nil
		for i := range b.Findings {
			f := &b.Findings[i]
			if i < len(a.Findings) && saved.Redacted.Level == RedactStrict {
				// A fingerprint of a token is right when it is that of its own site.
				was := a.Findings[i]
				if was.Fingerprint == claim.Fingerprint(was.Detector, was.Site.Function) {
					f.Fingerprint = was.Fingerprint
				}
			}
			f.Accepted = slices.Contains(a.Baseline, f.Fingerprint)
		}
		b.Baseline = a.Baseline
	}
	was, err := decoded(&a)
	if err != nil {
		return nil, err
	}
	is, err := decoded(&b)
	if err != nil {
		return nil, err
	}
	if saved.Redacted != nil {
		// Spans stand by the hashes of their texts, in which tokens may have other numbers. The texts are compared.
		for _, v := range []any{was, is} {
			if document, ok := v.(map[string]any); ok {
				delete(document, "spans")
			}
		}
	}
	c := comparison{redacted: saved.Redacted != nil, to: map[string]string{}, from: map[string]string{}}
	c.compare("", was, is)
	return c.found, nil
}

func decoded(r *Report) (any, error) {
	var text bytes.Buffer
	if err := WriteJSON(&text, r); err != nil {
		return nil, err
	}
	return decodeJSON(&text)
}

func decodeJSON(r io.Reader) (v any, err error) {
	dec := json.NewDecoder(r)
	dec.UseNumber()
	err = dec.Decode(&v)
	return v, err
}

// comparison walks two JSON documents.
type comparison struct {
	found    []Difference
	redacted bool
	to, from map[string]string // tokens of the first and the second document that stand for one another
}

func (c *comparison) differ(path string, was, is any) {
	if len(c.found) < maxDifferences {
		c.found = append(c.found, Difference{strings.TrimPrefix(path, "."), text(was), text(is)})
	}
}

// absent is what a document does not have.
type absent struct{}

func text(v any) string {
	if _, no := v.(absent); no {
		return ""
	}
	s, _ := json.Marshal(v)
	return string(s)
}

func (c *comparison) compare(path string, was, is any) {
	switch a := was.(type) {
	case map[string]any:
		b, ok := is.(map[string]any)
		if !ok {
			break
		}
		keys := maps.Clone(a)
		maps.Copy(keys, b)
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			x, inA := a[k]
			y, inB := b[k]
			switch {
			case !inA:
				c.differ(path+"."+k, absent{}, y)
			case !inB:
				c.differ(path+"."+k, x, absent{})
			default:
				c.compare(path+"."+k, x, y)
			}
		}
		return
	case []any:
		b, ok := is.([]any)
		if !ok {
			break
		}
		for i := range max(len(a), len(b)) {
			at := fmt.Sprintf("%s[%d]", path, i)
			switch {
			case i >= len(a):
				c.differ(at, absent{}, b[i])
			case i >= len(b):
				c.differ(at, a[i], absent{})
			default:
				c.compare(at, a[i], b[i])
			}
		}
		return
	case json.Number:
		if b, ok := is.(json.Number); ok && sameNumber(a, b) {
			return
		}
	case string:
		if b, ok := is.(string); ok && c.redacted && c.sameButTokens(a, b) {
			return
		}
	}
	if was != is {
		c.differ(path, was, is)
	}
}

// sameNumber reports whether two numbers are the same: integers digit by digit, others as everybody computes with them.
func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	if !strings.ContainsAny(string(a+b), ".eE") {
		return false
	}
	x, errX := a.Float64()
	y, errY := b.Float64()
	return errX == nil && errY == nil && x == y
}

// allTokens finds what redaction writes for names.
var allTokens = regexp.MustCompile(`(?:` + strings.Join(tokens.Kinds, "|") + `)[1-9]\d{0,8}`)

// sameButTokens reports whether two texts differ in the numbers of their tokens alone,
// and each token stands for the same one everywhere.
func (c *comparison) sameButTokens(a, b string) bool {
	as, bs := allTokens.FindAllString(a, -1), allTokens.FindAllString(b, -1)
	if len(as) != len(bs) || allTokens.ReplaceAllString(a, "\x00") != allTokens.ReplaceAllString(b, "\x00") {
		return false
	}
	for i, x := range as {
		y := bs[i]
		if strings.TrimRight(x, "0123456789") != strings.TrimRight(y, "0123456789") {
			return false
		}
		if to, known := c.to[x]; known && to != y {
			return false
		}
		if from, known := c.from[y]; known && from != x {
			return false
		}
		c.to[x], c.from[y] = y, x
	}
	return true
}

// Followed reports whether symbolic links that leave a folder were followed for the report.
func (r *Report) Followed() bool {
	return slices.ContainsFunc(r.Exhibits, func(e Exhibit) bool { return e.Followed })
}
