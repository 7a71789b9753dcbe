package claim

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sentence ends a clause with a full stop and begins it with a capital, unless
// it begins with a name from the code.
func Sentence(s string) string { return Capital(strings.TrimRight(s, ". ")) + "." }

// Capital begins a sentence with a capital, unless it begins with a name.
func Capital(s string) string {
	if isName(s) || s == "" {
		return s
	}
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[size:]
}

// LowerFirst lowers a leading capital unless the word is a name or an acronym.
func LowerFirst(s string) string {
	word, _, _ := strings.Cut(s, " ")
	if isName(s) || s == "" || strings.ToUpper(word) == word && len(word) > 1 {
		return s
	}
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[size:]
}

// isName reports whether a sentence begins with a name, from the code or of an
// exhibit, which keeps its spelling: with anything that is not in a word.
func isName(s string) bool {
	word, _, _ := strings.Cut(s, " ")
	return strings.ContainsFunc(strings.TrimRight(word, ".,:;"), func(r rune) bool {
		return !unicode.IsLetter(r) && r != '-' && r != '\''
	})
}
