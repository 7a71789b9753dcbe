package claim

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Command is what a reader runs to see something again or to do what a sentence proposes. It is
// kept as words, and written for a shell in one place: String.
type Command struct {
	Steps []Step // run one after another, each when the one before succeeded; none where there is no command
	Note  Text   // what to look for in what it shows, or why there is no command
}

// Step is one program that a command runs.
type Step struct {
	Argv   []Text `json:"argv"`
	Stdout string `json:"stdout,omitempty"` // name of a file, in a folder made for the command, that takes what it prints; where a later step has that word, it reads the file
}

// Words are the words of the step as they stand.
func (s Step) Words() []string {
	out := make([]string, len(s.Argv))
	for i, w := range s.Argv {
		out[i] = w.String()
	}
	return out
}

// runs reports whether the step runs a program with the words given first.
func (s Step) runs(argv []string) bool {
	return len(s.Argv) >= len(argv) && slices.Equal(s.Words()[:len(argv)], argv)
}

// MaxCommand is how long the line of a command may be, in bytes. Terminals and people cope
// with that much; a command is never cut, so what is longer is none.
const MaxCommand = 2000

// NewCommand returns the command that runs one program. Where its words cannot be pasted
// it has none, and the note says why.
func NewCommand(argv ...Text) Command {
	return Command{Steps: []Step{{Argv: argv}}}.Checked()
}

// Then returns c followed by another command.
func (c Command) Then(next Command) Command {
	if c.None() || next.None() {
		return Command{Note: join(c.Note, next.Note)}
	}
	return Command{slices.Concat(c.Steps, next.Steps), join(c.Note, next.Note)}.Checked()
}

// Into returns c with what its last program prints written to a file, which steps that come after it read under
// that name. It is in a new folder: a file of that name in the reader's may be one to keep, or a link to one.
func (c Command) Into(file string) Command {
	if c.None() {
		return c
	}
	c.Steps = slices.Clone(c.Steps)
	c.Steps[len(c.Steps)-1].Stdout = file
	return c.Checked()
}

// Noted returns c with a note added.
func (c Command) Noted(note Text) Command {
	c.Note = join(c.Note, note)
	return c
}

// With returns c with options added to what go tool pprof runs of it.
func (c Command) With(options ...Text) Command {
	c.Steps = slices.Clone(c.Steps)
	for i, s := range c.Steps {
		if s.runs(pprofTool) {
			c.Steps[i].Argv = slices.Insert(slices.Clone(s.Argv), len(pprofTool), options...)
		}
	}
	return c.Checked()
}

var pprofTool = []string{"go", "tool", "pprof"}

// None reports whether there is nothing to run.
func (c Command) None() bool { return len(c.Steps) == 0 }

// Runs reports whether a command runs a program with the words given first.
func (c Command) Runs(argv ...string) bool {
	return slices.ContainsFunc(c.Steps, func(s Step) bool { return s.runs(argv) })
}

// Equal reports whether two commands are the same.
func (c Command) Equal(d Command) bool {
	return c.Note.String() == d.Note.String() && slices.EqualFunc(c.Steps, d.Steps, func(a, b Step) bool { return a.Stdout == b.Stdout && slices.Equal(a.Words(), b.Words()) })
}

// Checked returns c, or a command without steps and why, if c cannot be pasted.
func (c Command) Checked() Command {
	if c.None() {
		return c
	}
	for _, s := range c.Steps {
		if len(s.Argv) == 0 {
			return Command{Note: c.Note}
		}
		for _, w := range append(s.Words(), s.Stdout) {
			if why := unpastable(w); why != "" {
				return Command{Note: join("no command: a name in it holds "+why, c.Note)}
			}
		}
		if strings.Contains(s.Stdout, "/") || s.Stdout == "." || s.Stdout == ".." {
			return Command{Note: join("no command: it would write outside of its folder", c.Note)}
		}
	}
	if len(c.line()) > MaxCommand {
		return Command{Note: join("no command: the names in it are too long for a line", c.Note)}
	}
	return c
}

// unpastable says what a word holds that a terminal or a reader takes for something else, if anything.
func unpastable(word string) Text {
	for i, r := range word {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(word[i:], "\uFFFD"):
			return "bytes that are no UTF-8"
		case r == '\n', r == '\r':
			return "a line break"
		case unicode.IsControl(r): // a terminal takes them for keys
			return "control characters"
		case Hidden(r):
			return "invisible characters"
		}
	}
	return ""
}

// Hidden reports whether a character does something other than stand there.
func Hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co) ||
		r == '\u115F' || r == '\u1160' || r == '\u3164' || r == '\uFFA0' || r >= 0xFDD0 && r <= 0xFDEF || r&0xFFFE == 0xFFFE
}

// String is the line to paste into a shell: bash, dash or zsh, whether it runs a script or talks
// with a person. It is empty where there is no command.
func (c Command) String() string { return c.Checked().line() }

func (c Command) line() string {
	var b strings.Builder
	made := map[string]bool{} // files that steps have written
	word := func(w string) string {
		if made[w] {
			return `"$d"/` + quote(w)
		}
		return quote(w)
	}
	for i, s := range c.Steps {
		if i > 0 {
			b.WriteString(" && ")
		}
		for j, w := range s.Words() {
			if j > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(word(w))
		}
		if s.Stdout != "" {
			made[s.Stdout] = true
			b.WriteString(" > " + word(s.Stdout))
		}
	}
	if len(made) > 0 { // in a shell of its own, where d is nobody else's
		return "(d=$(mktemp -d) && " + b.String() + ")"
	}
	return b.String()
}

// program is one that commands of ours run, with the options that they give it. None of them makes it write, serve,
// fetch or start anything, as others do.
type program struct {
	argv     []string
	alone    []string // options without a value
	assigned []string // with one behind an equals sign
	files    []string // those of assigned whose value is a path
	followed []string // with one in the next word
}

var programs = []program{
	{pprofTool, []string{"-top", "-traces", "-cum", "-tags", "-lines", "-mean"}, []string{"-sample_index", "-focus", "-ignore", "-tagfocus", "-diff_base"}, []string{"-diff_base"}, []string{"-peek"}},
	{[]string{"go", "tool", "trace"}, nil, []string{"-pprof"}, nil, nil},
	{[]string{"grep"}, []string{"-n", "-F"}, nil, nil, []string{"-A", "-e"}},
}

// ours reports whether a command of ours could have the step: one of the programs, options of ours, and one path.
func (s Step) ours() bool {
	local := func(path string) bool { return path == PathArgument(path) }
	for _, p := range programs {
		if len(s.Argv) <= len(p.argv) || !s.runs(p.argv) {
			continue
		}
		rest := s.Words()[len(p.argv):]
		for len(rest) > 1 {
			switch option, value, assigned := strings.Cut(rest[0], "="); {
			case !assigned && slices.Contains(p.alone, option):
				rest = rest[1:]
			case assigned && slices.Contains(p.assigned, option) && (local(value) || !slices.Contains(p.files, option)):
				rest = rest[1:]
			case !assigned && slices.Contains(p.followed, option):
				rest = rest[2:]
			default:
				return false
			}
		}
		return len(rest) == 1 && local(rest[0])
	}
	return false
}

// quote writes a word for a shell. What is not plainly harmless stands between single quotes, in which
// no shell expands anything: no history (!), no command of that name (zsh: =), no pattern (zsh: # ^ ~).
// A backslash before a quote or another backslash stands outside of them, because fish reads one inside, and
// so does what would make a marker complete.
func quote(word string) string {
	if word != "" && word[0] != '=' && !holdsMarker(word) && !strings.ContainsFunc(word, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./,:=+@", r))
	}) {
		return word
	}
	var b strings.Builder
	b.WriteByte('\'')
	for i := 0; i < len(word); i++ {
		switch next := word[i+1:]; {
		case word[i] == '\'', EndsInMarker(word[:i+1]), word[i] == '\\' && (next == "" || next[0] == '\'' || next[0] == '\\'):
			b.WriteString(`'\` + word[i:i+1] + `'`)
		default:
			b.WriteByte(word[i])
		}
	}
	b.WriteByte('\'')
	return b.String()
}

// markers are what the programs that run continuous integration obey wherever in a line it stands:
// GitHub, Azure Pipelines, TeamCity, GitLab.
var markers = []string{"##[", "##vso[", "##teamcity[", "section_start:", "section_end:"}

// EndsInMarker reports whether a program that runs continuous integration would obey a line because of how s ends.
func EndsInMarker(s string) bool {
	if !strings.HasSuffix(s, "[") && !strings.HasSuffix(s, ":") { // as every marker does; this is asked at every byte
		return false
	}
	return slices.ContainsFunc(markers, func(m string) bool { return len(s) >= len(m) && strings.EqualFold(s[len(s)-len(m):], m) })
}

func holdsMarker(s string) bool {
	s = strings.ToLower(s)
	return slices.ContainsFunc(markers, func(m string) bool { return strings.Contains(s, m) })
}

// pathText is the path of an exhibit as a word of a command.
func pathText(path string) Text {
	if PathArgument(path) != path {
		return "./" + Path(path).Text()
	}
	return Path(path).Text()
}

// PathArgument writes a path so that no program takes it for an option, or go tool pprof for a server.
func PathArgument(path string) string {
	if strings.HasPrefix(path, "-") || !strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "./") && strings.Contains(path, ":") {
		return "./" + path
	}
	return path
}

func join(notes ...Text) Text {
	return Join(slices.DeleteFunc(notes, func(t Text) bool { return t == "" }), "; ")
}

// plainFact is a Fact without its methods.
type plainFact Fact

// FactJSON is a Fact as JSON has it.
type FactJSON struct {
	plainFact
	Shown
}

// MarshalJSON writes the command as the line to paste, as words, and its note.
func (f Fact) MarshalJSON() ([]byte, error) {
	return encode(FactJSON{plainFact(f), shown(f.Reproduce)})
}

// UnmarshalJSON is the reverse.
func (f *Fact) UnmarshalJSON(text []byte) error {
	var w FactJSON
	if err := decode(text, &w); err != nil {
		return err
	}
	*f = Fact(w.plainFact)
	f.Reproduce = w.command()
	return nil
}

// Shown is a command as JSON has it.
type Shown struct {
	Line  string `json:"reproduce"` // to paste
	Steps []Step `json:"reproduce_steps,omitempty"`
	Note  Text   `json:"reproduce_note,omitempty"`
}

func shown(c Command) Shown { return Shown{c.String(), c.Steps, c.Note} }

// command takes a command from its words: the line is for people. Both may have been written by anybody, who
// would have us print what does harm where it is pasted, so that only commands of the kinds that ours are stay.
func (s Shown) command() Command {
	c := Command{s.Steps, s.Note}.Checked()
	if slices.ContainsFunc(c.Steps, func(s Step) bool { return !s.ours() }) {
		c = Command{Note: join("no command: what the report has is none that inquest writes", s.Note)}
	}
	if len(s.Steps) == 0 && s.Line != "" {
		c.Note = join("no command: the report has it only as a line, as versions before this one wrote it; analyse the evidence again", s.Note)
	}
	return c
}

// encode writes a value as JSON that keeps the letters of names.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// decode reads a value that has no fields but its own.
func decode(text []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}
