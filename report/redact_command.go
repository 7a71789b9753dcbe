package report

import (
	"regexp"
	"strings"
)

// pattern is a function's name as go tool pprof -peek is given it (analyze.Peek).
func pattern(function string) string {
	return strings.ReplaceAll(regexp.QuoteMeta(function), `\[\.\.\.\]`, `\[.*\]`)
}

// commandWord is what the commands that reports give are made of.
var commandWord = regexp.MustCompile(`^(?:go|tool|pprof|trace|grep|curl|inquest|&&|>|\||-{1,2}[a-z][a-z_-]*|-[A-Z]|\d+|(?:sync|net|syscall|sched)\.pb\.gz|-pprof=(?:sync|net|syscall|sched))$`)

// command replaces the names in a shell command: files, patterns, and texts to look for.
func (x *redactor) command(s string) string {
	if s == "" || x.ours[s] {
		return s
	}
	words, comment := shellWords(s)
	for i, w := range words {
		before := ""
		if i > 0 {
			before = words[i-1]
		}
		option, value, assigned := strings.Cut(w, "=")
		assigned = assigned && strings.HasPrefix(option, "-")
		switch {
		case commandWord.MatchString(w) && before != "-F" && before != "-peek":
		case before == "-F":
			words[i] = x.sought(w)
		case before == "-peek":
			words[i] = x.patterns(w)
		case assigned && (option == "-focus" || option == "-ignore" || option == "-show"):
			words[i] = option + "=" + x.patterns(value)
		case assigned:
			words[i] = option + "=" + x.word(value)
		case strings.ContainsAny(w, " \t\n"):
			if token, ok := x.exact[w]; ok {
				words[i] = token
			} else {
				words[i] = x.text(w)
			}
		default:
			words[i] = x.word(w)
		}
		if !commandWord.MatchString(words[i]) {
			words[i] = shellQuote(words[i])
		}
	}
	out := strings.Join(words, " ")
	if comment != "" {
		out += "  # " + x.sentence(comment)
	}
	return out
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
		plain := strings.NewReplacer(`\[.*\]`, "[...]", `\`, "").Replace(strings.Trim(a, "^$"))
		switch token, ok := x.exact[a]; {
		case ok:
			alternatives[i] = token
		case x.strict && strings.HasPrefix(a, "^") && strings.HasSuffix(a, "$") && functionRE.MatchString(plain) && !standardName(plain):
			// A whole name was taken from the evidence, even where the same one is a word of ours.
			alternatives[i] = "^" + pattern(x.function(plain)) + "$"
		case !x.strict, known(a), known(plain), standardName(plain):
		default:
			alternatives[i] = pattern(x.word(plain))
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

// shellWords cuts a command into its words, without their quotes, and the comment behind it.
func shellWords(s string) (words []string, comment string) {
	var b strings.Builder
	in, started := rune(0), false
	end := func() {
		if started {
			words = append(words, b.String())
		}
		b.Reset()
		started = false
	}
	escaped := false
	for i, r := range s {
		switch {
		case escaped:
			b.WriteRune(r)
			escaped = false
		case in != 0:
			if r == in {
				in = 0
			} else {
				b.WriteRune(r)
			}
		case r == '\'' || r == '"':
			in, started = r, true
		case r == '\\':
			escaped, started = true, true
		case r == ' ':
			end()
		case r == '#' && !started:
			return words, strings.TrimLeft(s[i+1:], " ")
		default:
			started = true
			b.WriteRune(r)
		}
	}
	end()
	return words, ""
}

// shellQuote makes a word safe to paste into a shell.
func shellQuote(word string) string {
	if word != "" && word[0] != '#' && !strings.ContainsFunc(word, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./,:=+@%", r))
	}) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// invocation replaces the names in the command line that made the document:
// inquest COMMAND PATH... --flag=value.
func (x *redactor) invocation(s string) string {
	words, _ := shellWords(s)
	for i, w := range words {
		flag, value, _ := strings.Cut(w, "=")
		switch {
		case i < 2:
		case !strings.HasPrefix(w, "--"):
			words[i] = x.path(w)
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
	return CommandLine(words...)
}

// renamed replaces the name of a function or of a package.
func (x *redactor) renamed(name string) string {
	switch {
	case !x.strict || name == "":
		return name
	case functionRE.MatchString(name):
		return x.function(name)
	}
	return x.tokens.token(packageToken, name)
}

// plainFlags take what is ours or a number.
var plainFlags = map[string]bool{"--limit": true, "--only": true, "--skip": true, "--fail-on": true, "--window": true, "--ops": true, "--min-effect": true, "--strict": true, "--each": true}
