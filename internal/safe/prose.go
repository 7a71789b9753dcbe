package safe

import (
	"regexp"
	"strings"
	"unicode"
)

// Piece is a stretch of a sentence: words, or code to be set as such.
type Piece struct {
	Text string
	Code bool
}

// Prose cuts a sentence into words and code. Code is every word that is not
// plainly one of a human language: function names, paths, commands, and
// whatever markup a hostile name may hold.
func Prose(s string) []Piece {
	var out []Piece
	add := func(text string, code bool) {
		if text == "" {
			return
		}
		if n := len(out); n > 0 && out[n-1].Code == code && !code {
			out[n-1].Text += text
			return
		}
		out = append(out, Piece{text, code})
	}
	for i, word := range strings.Split(s, " ") {
		if i > 0 {
			add(" ", false)
		}
		head, core, tail := Outer(word)
		if plain(core) {
			add(word, false)
			continue
		}
		add(head, false)
		add(core, true)
		add(tail, false)
	}
	return out
}

// Outer strips the punctuation a sentence puts around a word.
func Outer(word string) (head, core, tail string) {
	from, to := 0, len(word)
	for from < to && strings.IndexByte(`"'(`, word[from]) >= 0 && !strings.HasPrefix(word[from:], "(*") {
		from++
	}
	open := strings.Count(word[from:], "(") - strings.Count(word[from:], ")")
	for ; from < to && strings.IndexByte(`.,;:!?"')`, word[to-1]) >= 0; to-- {
		if word[to-1] == ')' {
			if open >= 0 {
				break
			}
			open++
		}
	}
	return word[:from], word[from:to], word[to:]
}

// plain reports whether a word can mean nothing but itself in any format.
func plain(word string) bool {
	switch word {
	case "", "-", "->", "+", "=", "/", "%":
		return true
	}
	if clock.MatchString(word) {
		return true
	}
	sign := len(word) > 1 && (word[0] == '-' || word[0] == '+' && word[1] >= '0' && word[1] <= '9')
	runes := []rune(word)
	if sign {
		runes = runes[1:]
	}
	if len(runes) == 0 || !WordRune(runes[0]) {
		return false
	}
	for i, r := range runes {
		switch {
		case WordRune(r), strings.ContainsRune("%,'/+-=", r):
		case r == '.' && i+1 < len(runes) && runes[i+1] >= '0' && runes[i+1] <= '9':
		default:
			return false
		}
	}
	return true
}

var clock = regexp.MustCompile(`^\d\d:\d\d:\d\d$`)

// WordRune reports whether a rune is one of words in any language.
func WordRune(r rune) bool { return r >= 0x80 || unicode.IsLetter(r) || unicode.IsDigit(r) }
