package claim

import "inquest/internal/evidence/prose"

// Text is a sentence, or a part of one, that knows which of it is our own words and which names something. A constant
// is words; everything else comes in by Textf.
type Text = prose.Text

// Textf is fmt.Sprintf for a Text. The format is a constant, and words of ours. A Text is put in as it is, numbers are
// numbers, [Func], [Path] and what else has a method Text say what they are, and a string is what the evidence says.
var Textf = prose.Textf

// What a name in a text is.
type (
	Func  = prose.Func  // a function
	Path  = prose.Path  // of an exhibit
	Code  = prose.Code  // a source file, perhaps with a line
	Label = prose.Label // key=value
	ID    = prose.ID    // of an exhibit
	Num   = prose.Num   // a number that is written already
)

// Join is strings.Join for texts, or for names of a kind; strings are what the evidence says.
func Join[T ~string](all []T, between Text) Text { return prose.Join(all, between) }

// Format is a format of [Textf].
type Format = prose.Format

// List joins words as a sentence does: "a, b and c".
func List[T ~string](words []T) Text { return prose.List(words) }

// Said is what the evidence says, as a text.
func Said(s string) Text { return prose.Of(prose.Said, s) }

// Marked is a text by what its String and its Marks were; false where they do not fit.
func Marked(s, marks string) (Text, bool) { return prose.Marked(s, marks) }

// Legacy is a sentence that was put together without marks.
func Legacy[S ~string](s S) Text {
	if t, ok := any(s).(Text); ok {
		return t
	}
	return prose.Legacy(string(s))
}
