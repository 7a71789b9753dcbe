package report

import (
	"fmt"
	"slices"
	"strings"

	"inquest/analyze"
)

// Made says which command made the document, and from which revision of its
// source the program was built; either may be empty.
func Made(command, revision string) Option {
	return func(r *Report) { r.Command, r.Tool.Revision = command, revision }
}

// CommandLine joins words to a line that can be pasted into a shell.
func CommandLine(words ...string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = shellQuote(w)
	}
	return strings.Join(quoted, " ")
}

// made is one line of how a document came about.
type made struct {
	What, How string
	Code      bool // How is a command or settings, not words
}

// String is the program with its version.
func (t Tool) String() string {
	s := t.Name
	if t.Version != "" {
		s += " " + t.Version
	}
	if t.Revision != "" {
		s += " (" + t.Revision + ")"
	}
	return s
}

// Made lists what the report rests on beside its exhibits, for the chain of custody.
func (v *view) Made() []made {
	out := custody(v.Tool, v.Command, v.Redacted)
	if set := settings(v.Limits); set != "" {
		out = append(out, made{"Limits that were set", set, true})
	}
	if decided := settings(v.deciding()); decided != "" {
		out = append(out, made{"Limits that decided", decided, true})
	}
	return out
}

// Made is what view.Made is, for a comparison.
func (v diffView) Made() []made { return custody(v.Tool, v.Command, v.Redacted) }

func custody(t Tool, command string, r *Redaction) []made {
	out := []made{{"Written by", t.String(), false}}
	if command != "" {
		out = append(out, made{"Command", command, true})
	}
	if r != nil {
		out = append(out, made{"Redacted", r.words(), false})
	}
	return out
}

func (r *Redaction) words() string {
	s := "names of people, machines and places, labels, and what logs say are replaced by tokens"
	if r.Level == RedactStrict {
		s = "all names but the standard library's are replaced by tokens"
	}
	if r.Mapping != "" {
		s += fmt.Sprintf(" of the mapping %s", r.Mapping)
	}
	return s
}

// deciding lists the limits that findings were held against, each once.
func (v *view) deciding() []analyze.LimitUse {
	var out []analyze.LimitUse
	for _, f := range v.Findings {
		for _, fact := range f.Evidence {
			if fact.Limit != nil && !slices.Contains(out, *fact.Limit) {
				out = append(out, *fact.Limit)
			}
		}
	}
	slices.SortFunc(out, func(a, b analyze.LimitUse) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func settings(limits []analyze.LimitUse) string {
	var out []string
	for _, l := range limits {
		out = append(out, l.Name+"="+strings.ReplaceAll(l.Quantity.String(), " ", ""))
	}
	return strings.Join(out, ", ")
}
