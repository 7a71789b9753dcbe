package safe

import (
	"fmt"
	"io"

	"inquest/analyze/claim"
)

// The program that runs a step of continuous integration reads what the step prints, and obeys lines of a
// certain form: GitHub's and Azure's can set variables and hide text, others fold the log. What names in evidence
// hold must not be such a line, in whatever format and wherever a line happens to break.

// Guard is a writer to which nothing can be written that such a program obeys. One character of what it
// would obey is written as an escape.
type Guard struct {
	w      io.Writer
	escape func(byte) string
	own    bool // lines that begin with a workflow command are ours

	column int    // bytes of the line so far
	blank  bool   // nothing but blanks so far
	colons int    // after them
	tail   []byte // the last bytes of the line
}

// NewGuard returns a guard for text, as the terminal shows it.
func NewGuard(w io.Writer) *Guard { return newGuard(w, InText) }

func newGuard(w io.Writer, escape func(byte) string) *Guard {
	return &Guard{w: w, escape: escape, blank: true}
}

// InText writes an escape as people know it.
func InText(c byte) string { return fmt.Sprintf(`\x%02x`, c) }

// InJSON writes it as a string of JSON has it.
func InJSON(c byte) string { return fmt.Sprintf(`\u%04x`, c) }

// InMarkup writes it as HTML and XML have it.
func InMarkup(c byte) string { return fmt.Sprintf("&#%d;", c) }

// Guarded is a writer of a document that writes through a guard.
func Guarded[D any](escape func(byte) string, write func(io.Writer, D) error) func(io.Writer, D) error {
	return func(w io.Writer, d D) error { return write(newGuard(w, escape), d) }
}

// Workflow is guarded for workflow commands of ours.
func Workflow[D any](write func(io.Writer, D) error) func(io.Writer, D) error {
	return func(w io.Writer, d D) error {
		g := newGuard(w, InText)
		g.own = true
		return write(g, d)
	}
}

// Unwrap returns what the guard writes to.
func (g *Guard) Unwrap() io.Writer { return g.w }

// Write writes p with what would be obeyed broken up.
func (g *Guard) Write(p []byte) (int, error) {
	out := make([]byte, 0, len(p))
	for _, c := range p {
		if g.obeyed(c) {
			out = append(out, g.escape(c)...)
		} else {
			out = append(out, c)
		}
	}
	if n, err := g.w.Write(out); err != nil {
		return min(n, len(p)), err
	}
	return len(p), nil
}

// obeyed reports whether the next byte makes the line one that is obeyed.
func (g *Guard) obeyed(c byte) bool {
	if c == '\n' || c == '\r' {
		g.column, g.blank, g.colons, g.tail = 0, true, 0, g.tail[:0]
		return false
	}
	g.column++
	const longest = 16
	if g.tail = append(g.tail, c); len(g.tail) > 8*longest {
		g.tail = append(g.tail[:0], g.tail[len(g.tail)-longest:]...)
	}
	if claim.EndsInMarker(string(g.tail)) {
		return true
	}
	if g.column == 4 { // Buildkite folds there
		switch string(g.tail) {
		case "--- ", "+++ ", "~~~ ", "^^^ ":
			return true
		}
	}
	if !g.blank {
		return false
	}
	switch {
	case c == ':':
		g.colons++
		g.blank = g.colons < 2
		return g.colons == 2 && !(g.own && g.column == 2)
	case g.colons > 0, c > ' ' && c < 0x80:
		g.blank = false
	}
	return false // a byte beyond ASCII may be of a blank
}
