package report

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"inquest/analyze/claim"
)

// Made says which command made the document, as words, and from which revision of its
// source the program was built; either may be empty.
func Made(argv []string, revision string) option {
	return func(r *Report) { r.Argv, r.Command, r.Tool.Revision = argv, CommandLine(argv), revision }
}

// Seal gives the document the hash of its content.
func (r *Report) Seal() { r.SelfHash = r.digest() }

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

// CommandLine is the line to paste for the command that made a document, empty where there is none or its words cannot be pasted.
func CommandLine(argv []string) string { return MadeBy(argv).String() }

// MadeBy is the command that made a document. That of a saved one may have been written by anybody, who
// would have us print one that runs or writes what it names.
func MadeBy(argv []string) claim.Command {
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
	words := make([]claim.Text, len(argv))
	for i, w := range argv {
		words[i] = claim.Said(w)
	}
	return claim.NewCommand(words...)
}

// Recorded reports whether a document says that a flag was given: not of flags that decide where and in which form it is written.
func Recorded(flag string) bool {
	return !slices.Contains([]string{"output", "format", "quiet", "jobs", "redact", "redact-map", "each", "sign-with"}, flag)
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
