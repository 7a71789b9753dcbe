package redact

import (
	"slices"
	"strings"

	"inquest/analyze/claim"
	"inquest/report/internal/tokens"
)

// command replaces the names in a command.
func (x *redactor) command(c claim.Command) claim.Command {
	out := claim.Command{Note: x.spans(c.Note)}
	for _, s := range c.Steps {
		argv := make([]claim.Text, len(s.Argv))
		for i, w := range s.Argv {
			argv[i] = x.spans(w)
		}
		out.Steps = append(out.Steps, claim.Step{Argv: argv, Stdout: s.Stdout})
	}
	return out.Checked()
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
