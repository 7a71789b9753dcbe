package safe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"inquest/analyze/claim"
	"inquest/internal/evidence/bound"
)

// WriteJSON writes a document of ours, indented and with nothing hidden in it. polish,
// which may be nil, has the text before that.
func WriteJSON(w io.Writer, document any, polish func([]byte) []byte) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // commands hold & and names <; no browser reads this as HTML
	enc.SetIndent("", " ")
	if err := enc.Encode(document); err != nil {
		return err
	}
	text := buf.Bytes()
	if polish != nil {
		text = polish(text)
	}
	_, err := newGuard(w, InJSON).Write(EscapeHidden(text))
	return err
}

// EscapeHidden writes characters that a terminal or editor would act on as JSON
// escapes, which every reader turns back.
func EscapeHidden(text []byte) []byte {
	var out []byte
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		switch {
		case r < 0x80 && r != 0x7F || !claim.Hidden(r):
			out = append(out, text[i:i+n]...)
		case r > 0xFFFF:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		i += n
	}
	return out
}

// MaxDocument bounds what Read takes in. A full case is well under a megabyte.
const MaxDocument = 64 << 20

// ReadJSON reads a document of ours that all readers of JSON read alike. Go takes names of fields in any case,
// and of a field that stands twice the last; another reader takes the first, or does not find it.
func ReadJSON(text []byte, document any) error {
	if err := plainFields(text); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return dec.Decode(document)
}

// plainFields fails on a field that stands twice in an object, or whose name is not of the characters that ours are of.
func plainFields(text []byte) error {
	type level struct {
		names map[string]bool // seen so far; nil in a list
		value bool            // what comes next is a value
	}
	var open []level
	dec := json.NewDecoder(bytes.NewReader(text))
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		in := &level{}
		if len(open) > 0 {
			in = &open[len(open)-1]
		}
		name, _ := token.(string)
		if len(name) > bound.MaxText {
			return fmt.Errorf("a text of %d bytes in it, and inquest writes none of more than %d: written by hand", len(name), bound.MaxText)
		}
		switch {
		case token == json.Delim('}'), token == json.Delim(']'):
			open = open[:len(open)-1]
			continue
		case in.names != nil && !in.value:
			if in.names[name] {
				return fmt.Errorf("field %q stands twice", name)
			}
			if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
				return fmt.Errorf("unknown field %q", name)
			}
			in.names[name], in.value = true, true
			continue
		}
		in.value = false
		switch token {
		case json.Delim('{'):
			open = append(open, level{names: map[string]bool{}})
		case json.Delim('['):
			open = append(open, level{})
		}
	}
}
