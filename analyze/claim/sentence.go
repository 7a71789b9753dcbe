package claim

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"inquest/internal/evidence/prose"
)

// Sentence ends a clause with a full stop and begins it with a capital, unless
// it begins with a name from the code.
func Sentence(t Text) Text { return Capital(Clause(t)) + "." }

// Clause is a sentence without what ends it.
func Clause(t Text) Text { return t.Head(len(strings.TrimRight(t.String(), ". "))) }

// Capital begins a sentence with a capital, unless it begins with a name.
func Capital(t Text) Text {
	if isName(t) {
		return t
	}
	return first(t, unicode.ToUpper)
}

// LowerFirst lowers a leading capital unless the word is a name or an acronym.
func LowerFirst(t Text) Text {
	word, _, _ := strings.Cut(t.String(), " ")
	if isName(t) || strings.ToUpper(word) == word && len(word) > 1 {
		return t
	}
	return first(t, unicode.ToLower)
}

func first(t Text, change func(rune) rune) Text {
	done := false
	return t.Each(func(k prose.Kind, s string) Text {
		if !done {
			r, size := utf8.DecodeRuneInString(s)
			s, done = string(change(r))+s[size:], true
		}
		return prose.Of(k, s)
	})
}

// isName reports whether a sentence begins with a name, from the code or of an
// exhibit, which keeps its spelling: with anything that is not in a word.
func isName(t Text) bool {
	word, _, _ := strings.Cut(t.String(), " ")
	return strings.ContainsFunc(strings.TrimRight(word, ".,:;"), func(r rune) bool {
		return !unicode.IsLetter(r) && r != '-' && r != '\''
	})
}
