package view

import (
	"fmt"
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/report"
)

// shortHash is as much of a hash as people compare.
func shortHash(hash string) string { return hash[:min(len(hash), 16)] }

// Made is one line of how a document came about.
type Made struct {
	What, How string
	Code      bool // How is a command or settings, not words
}

// Made lists what the report rests on beside its exhibits, for the chain of custody.
func (v *Report) Made() []Made {
	out := custody(v.Tool, v.Argv, v.Redacted)
	if v.SelfHash != "" {
		says := "content sha256 " + shortHash(v.SelfHash)
		if v.Altered() {
			says += ", which its content does not have: it was changed after it was written"
		}
		out = append(out, Made{"This report", says, false})
	}
	if len(v.Only) > 0 {
		out = append(out, Made{"Detectors that alone ran", strings.Join(v.Only, ", "), false})
	}
	if len(v.Skip) > 0 {
		out = append(out, Made{"Detectors left out", strings.Join(v.Skip, ", "), false})
	}
	if n := len(v.Baseline); n > 0 {
		out = append(out, Made{"Baseline", evidence.Things(n, "known finding").String(), false})
	}
	if set := settings(v.Limits); set != "" {
		out = append(out, Made{"Limits that were set", set, true})
	}
	if decided := settings(v.deciding()); decided != "" {
		out = append(out, Made{"Limits that decided", decided, true})
	}
	return out
}

// Made is what view.Made is, for a comparison.
func (v Diff) Made() []Made { return custody(v.Tool, v.Argv, v.Redacted) }

func custody(t report.Tool, argv []string, r *report.Redaction) []Made {
	out := []Made{{"Written by", t.String(), false}}
	if line := report.CommandLine(argv); line != "" { // what a saved document has as its line may have been written by anybody
		out = append(out, Made{"Command", line, true})
	} else if len(argv) > 0 {
		out = append(out, Made{"Command", report.MadeBy(argv).Note.String(), false})
	}
	if r != nil {
		out = append(out, Made{"Redacted", RedactionWords(r), false})
	}
	return out
}

// RedactionWords says what was taken out of a document.
func RedactionWords(r *report.Redaction) string {
	s := "names of people, machines and places, values of labels, and what logs say are replaced by tokens; names in code, keys of labels and build ids stay, and by the last whoever has the program can tell that it is the one"
	if r.Level == report.RedactStrict {
		s = "all names but the standard library's are replaced by tokens, and build ids are left out"
	}
	if r.Mapping != "" {
		s += fmt.Sprintf("; the tokens are of the mapping %s", r.Mapping)
	}
	return s
}

// deciding lists the limits that findings were held against, each once.
func (v *Report) deciding() []claim.LimitUse {
	var out []claim.LimitUse
	for _, f := range v.Findings {
		for _, fact := range f.Evidence {
			if fact.Limit != nil && !slices.Contains(out, *fact.Limit) {
				out = append(out, *fact.Limit)
			}
		}
	}
	slices.SortFunc(out, func(a, b claim.LimitUse) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func settings(limits []claim.LimitUse) string {
	var out []string
	for _, l := range limits {
		out = append(out, l.Name+"="+strings.ReplaceAll(l.Quantity.String(), " ", ""))
	}
	return strings.Join(out, ", ")
}
