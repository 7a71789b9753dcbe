package redact

import (
	"regexp"
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/report/internal/tokens"
)

// command replaces the names in a command: files, patterns, and texts to look for. Which word is
// which follows from the programs that commands of ours run; of any other program every word is replaced.
func (x *redactor) command(c claim.Command) claim.Command {
	out := claim.Command{Note: x.sentence(c.Note)}
	for _, s := range c.Steps {
		out.Steps = append(out.Steps, claim.Step{Argv: x.argv(s.Argv), Stdout: x.argument(s.Stdout)})
	}
	return out.Checked()
}

// intermediate is a file that a command of ours makes for the next.
var intermediate = regexp.MustCompile(`^(?:sync|net|syscall|sched)\.pb\.gz$`)

func (x *redactor) argv(argv []string) []string {
	out := slices.Clone(argv)
	first := 3
	switch {
	case len(argv) >= 3 && argv[0] == "go" && argv[1] == "tool" && (argv[2] == "pprof" || argv[2] == "trace"):
	case len(argv) > 0 && argv[0] == "grep":
		first = 1
	default:
		first = 0
	}
	for i := first; i < len(argv); i++ {
		option, value, assigned := strings.Cut(argv[i], "=")
		switch {
		case first == 0:
			out[i] = x.text(argv[i])
		case i == len(argv)-1:
			out[i] = x.argument(argv[i])
		case argv[i-1] == "-e":
			out[i] = x.sought(argv[i])
		case argv[i-1] == "-peek":
			out[i] = x.patterns(argv[i])
		case !strings.HasPrefix(option, "-"):
			out[i] = x.count(argv[i])
		case !assigned: // an option of ours without a value
			out[i] = x.option(option)
		case option == "-focus" || option == "-ignore":
			out[i] = option + "=" + x.patterns(value)
		case option == "-diff_base":
			out[i] = option + "=" + x.argument(value)
		case option == "-tagfocus" && sizes.MatchString(value):
		default:
			out[i] = x.option(option) + "=" + x.word(value)
		}
	}
	return out
}

var (
	sizes   = regexp.MustCompile(`^\d+b:(?:\d+b)?$`)
	options = regexp.MustCompile(`^-{1,2}[a-zA-Z_]{1,16}$`)
	digits  = regexp.MustCompile(`^\d+$`)
)

// argument replaces the path of an exhibit, as an argument of a command has it.
func (x *redactor) argument(path string) string {
	if intermediate.MatchString(path) {
		return path
	}
	return claim.PathArgument(x.path(strings.TrimPrefix(path, "./")))
}

// option keeps what can only be an option of a program's.
func (x *redactor) option(word string) string {
	if options.MatchString(word) {
		return word
	}
	return x.text(word)
}

// count keeps a number.
func (x *redactor) count(word string) string {
	if digits.MatchString(word) {
		return word
	}
	return x.text(word)
}

// sought replaces a text that a log is searched for: a name, or what the log says.
func (x *redactor) sought(s string) string {
	name, called := strings.CutSuffix(s, "(") // a line of a stack
	if token, ok := x.exact[name]; ok {
		if called {
			token += "("
		}
		return token
	}
	if called && !strings.ContainsAny(name, " \t") && functionRE.MatchString(name) {
		return x.function(name) + "("
	}
	if standardName(s) && !strings.ContainsAny(s, " \t") {
		return x.function(s)
	}
	return x.text(s)
}

// patterns replaces the names in alternatives of regular expressions.
func (x *redactor) patterns(s string) string {
	if known(s) {
		return s
	}
	alternatives := splitTop(s, '|')
	for i, a := range alternatives {
		plain := strings.NewReplacer(`\[.*\]`, "[...]", `(\.|%2e)`, ".", `\`, "").Replace(strings.Trim(a, "^$"))
		switch token, ok := x.exact[a]; {
		case ok:
			alternatives[i] = token
		case x.strict && strings.HasPrefix(a, "^") && strings.HasSuffix(a, "$") && functionRE.MatchString(plain) && !standardName(plain):
			// A whole name was taken from the evidence, even where the same one is a word of ours.
			alternatives[i] = "^" + claim.Pattern(x.function(plain)) + "$"
		case !x.strict, known(a), known(plain), standardName(plain):
		default:
			alternatives[i] = claim.Pattern(x.word(plain))
		}
	}
	return strings.Join(alternatives, "|")
}

// splitTop cuts at a byte outside of parentheses.
func splitTop(s string, at byte) []string {
	var parts []string
	depth, from := 0, 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '(':
			depth++
		case ')':
			depth--
		case at:
			if depth == 0 {
				parts = append(parts, s[from:i])
				from = i + 1
			}
		}
	}
	return append(parts, s[from:])
}

// invocation replaces the names in the command line that made the document:
// inquest COMMAND PATH... --flag=value.
func (x *redactor) invocation(argv []string) []string {
	words := slices.Clone(argv)
	for i, w := range words {
		flag, value, _ := strings.Cut(w, "=")
		switch {
		case i < 2, w == "-":
		case !strings.HasPrefix(w, "-"):
			words[i] = claim.PathArgument(x.path(strings.TrimPrefix(w, "./")))
		case flag == "--label":
			words[i] = flag + "=" + x.label(value)
		case flag == "--config", flag == "--baseline":
			words[i] = flag + "=" + x.path(value)
		case flag == "--rename":
			from, to, _ := strings.Cut(value, "=")
			words[i] = flag + "=" + x.renamed(from) + "=" + x.renamed(to)
		case plainFlags[flag]:
		default:
			words[i] = flag + "=" + x.text(value)
		}
	}
	return words
}

// renamed replaces the name of a function or of a package.
func (x *redactor) renamed(name string) string {
	switch {
	case !x.strict || name == "":
		return name
	case functionRE.MatchString(name):
		return x.function(name)
	}
	return x.tokens.token(tokens.Package, name)
}

// plainFlags take what is ours or a number.
var plainFlags = map[string]bool{"--limit": true, "--only": true, "--skip": true, "--fail-on": true, "--window": true, "--ops": true, "--min-effect": true, "--strict": true, "--each": true}
