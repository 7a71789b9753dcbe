package report

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// Made says which command made the document, as words, and from which revision of its
// source the program was built; either may be empty.
func Made(argv []string, revision string) Option {
	return func(r *Report) { r.Argv, r.Command, r.Tool.Revision = argv, CommandLine(argv), revision }
}

// digest is the SHA-256 of the document as WriteJSON writes it without the line that holds the hash.
func (r *Report) digest() string {
	out := *r
	out.SelfHash = ""
	sum := sha256.New()
	if err := WriteJSON(sum, &out); err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Altered reports whether the file that the document was read from is not what its own hash says it is. One
// without a hash is not altered as far as can be told, and neither is one that was just made.
func (r *Report) Altered() bool { return r.altered }

// shortHash is as much of a hash as people compare.
func shortHash(hash string) string { return hash[:min(len(hash), 16)] }

// CommandLine is the line to paste for the command that made a document, empty where there is none or its words cannot be pasted.
func CommandLine(argv []string) string { return madeBy(argv).String() }

// madeBy is the command that made a document. That of a saved one may have been written by anybody, who
// would have us print one that runs or writes what it names.
func madeBy(argv []string) claim.Command {
	if len(argv) == 0 {
		return claim.Command{}
	}
	ours := len(argv) > 1 && argv[0] == "inquest" && (argv[1] == "analyze" || argv[1] == "diff")
	for _, w := range argv[min(2, len(argv)):] {
		flag, _, _ := strings.Cut(w, "=")
		name, long := strings.CutPrefix(flag, "--")
		ours = ours && (w == "-" || !strings.HasPrefix(w, "-") || long && name != "" && Recorded(name))
	}
	if !ours {
		return claim.Command{Note: "not shown: it is no command by which inquest makes a report"}
	}
	return claim.NewCommand(argv...)
}

// Recorded reports whether a document says that a flag was given: not of flags that decide where and in which form it is written.
func Recorded(flag string) bool {
	return !slices.Contains([]string{"output", "format", "quiet", "jobs", "redact", "redact-map", "each", "sign-with"}, flag)
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
	out := custody(v.Tool, v.Argv, v.Redacted)
	if v.SelfHash != "" {
		says := "content sha256 " + shortHash(v.SelfHash)
		if v.Altered() {
			says += ", which its content does not have: it was changed after it was written"
		}
		out = append(out, made{"This report", says, false})
	}
	if len(v.Only) > 0 {
		out = append(out, made{"Detectors that alone ran", strings.Join(v.Only, ", "), false})
	}
	if len(v.Skip) > 0 {
		out = append(out, made{"Detectors left out", strings.Join(v.Skip, ", "), false})
	}
	if n := len(v.Baseline); n > 0 {
		out = append(out, made{"Baseline", evidence.Things(n, "known finding").String(), false})
	}
	if set := settings(v.Limits); set != "" {
		out = append(out, made{"Limits that were set", set, true})
	}
	if decided := settings(v.deciding()); decided != "" {
		out = append(out, made{"Limits that decided", decided, true})
	}
	return out
}

// Made is what view.Made is, for a comparison.
func (v diffView) Made() []made { return custody(v.Tool, v.Argv, v.Redacted) }

func custody(t Tool, argv []string, r *Redaction) []made {
	out := []made{{"Written by", t.String(), false}}
	if line := CommandLine(argv); line != "" { // what a saved document has as its line may have been written by anybody
		out = append(out, made{"Command", line, true})
	} else if len(argv) > 0 {
		out = append(out, made{"Command", madeBy(argv).Note, false})
	}
	if r != nil {
		out = append(out, made{"Redacted", r.words(), false})
	}
	return out
}

func (r *Redaction) words() string {
	s := "names of people, machines and places, values of labels, and what logs say are replaced by tokens; names in code, keys of labels and build ids stay, and by the last whoever has the program can tell that it is the one"
	if r.Level == RedactStrict {
		s = "all names but the standard library's are replaced by tokens, and build ids are left out"
	}
	if r.Mapping != "" {
		s += fmt.Sprintf("; the tokens are of the mapping %s", r.Mapping)
	}
	return s
}

// deciding lists the limits that findings were held against, each once.
func (v *view) deciding() []claim.LimitUse {
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
