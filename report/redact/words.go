package redact

import (
	_ "embed"
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"inquest/internal/evidence/stack"
)

// redactStd lists the packages of the standard library, of Go 1.21 to 1.27 on all systems.
//
//go:embed std.txt
var redactStd string

// redactWords lists the words that sentences of ours are made of. A test makes it from the sources.
//
//go:embed words.txt
var redactWords string

var standardPackages = sync.OnceValue(func() map[string]bool { return lines(redactStd) })

var ourWords = sync.OnceValue(func() map[string]bool { return lines(redactWords) })

func lines(text string) map[string]bool {
	m := map[string]bool{}
	for l := range strings.Lines(text) {
		m[strings.TrimSuffix(l, "\n")] = true
	}
	return m
}

// standardName reports whether a name with a package is the standard library's.
func standardName(name string) bool {
	return strings.Contains(name, ".") && standardPackages()[stack.Package(name)]
}

var (
	// numberish is a number, alone or with what makes it a quantity, an order, a time or a version.
	numberish = regexp.MustCompile(`^[<>~+-]?(?:\d[\d,.]*(?:e[+-]?\d+)?(?:%|x|st|nd|rd|th|[nµum]?s|[KMGTkmgt]?i?B(?:/s)?|/s)?|(?:\d+(?:\.\d+)?(?:h|m|s|ms|µs|us|ns))+|\d\d:\d\d:\d\d(?:\.\d+)?|\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d))?|\d+-\d+|0x[0-9a-f]+|go1\.\d+[\w.]*|[KMGT]?i?B/s|s/s|golang/go#\d+|e\d+|[fc]\d+|P\d+)$`)
	wordBreak = regexp.MustCompile(`[-/=,+'–]`)
)

// known reports whether a word is one that sentences of ours are made of, or a number.
func known(w string) bool {
	if numberish.MatchString(w) || ourWord(w) || !strings.ContainsFunc(w, nameRune) {
		return true
	}
	if parts := wordBreak.Split(w, -1); len(parts) > 1 {
		for _, p := range parts {
			if p != "" && !numberish.MatchString(p) && !ourWord(p) {
				return false
			}
		}
		return true
	}
	return false
}

func ourWord(w string) bool {
	ours := ourWords()
	if ours[w] {
		return true
	}
	if letters.MatchString(w) {
		w = strings.ToLower(w)
		return ours[w] || ours[strings.TrimSuffix(w, "s")] || ours[strings.TrimSuffix(w, "es")]
	}
	r, size := firstRune(w)
	return unicode.IsUpper(r) && ours[string(unicode.ToLower(r))+w[size:]]
}

func firstRune(s string) (rune, int) { return utf8.DecodeRuneInString(s) }

func lastRune(s string) (rune, int) { return utf8.DecodeLastRuneInString(s) }
