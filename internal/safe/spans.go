package safe

import (
	"crypto/sha256"
	"encoding/hex"
	"reflect"

	"inquest/analyze/claim"
	"inquest/internal/evidence/prose"
)

// Spans tells which stretches of a document's texts name something, each text once, by spanKey. A text without an
// entry is what the evidence says. Of one that stands in the document with different spans, those with the fewest words
// of ours are kept: what is a name in one place must not be shown for being none in another.
func Spans(document any) map[string]string {
	out, ours := map[string]string{}, map[string]int{}
	eachText(reflect.ValueOf(document), func(v reflect.Value) {
		t := v.Interface().(claim.Text)
		if t == "" {
			return
		}
		words := 0
		for k, s := range t.Spans() {
			if k == prose.Words {
				words += len(s)
			}
		}
		key := spanKey(t.String())
		if before, ok := ours[key]; !ok || words < before {
			out[key], ours[key] = t.Marks(), words
		}
	})
	for key, marks := range out {
		if marks == "" {
			delete(out, key)
		}
	}
	return out
}

// Mark marks the texts of a document that was read, by its spans.
func Mark(document any, spans map[string]string) {
	eachText(reflect.ValueOf(document), func(v reflect.Value) {
		s := v.Interface().(claim.Text).String()
		if t, ok := claim.Marked(s, spans[spanKey(s)]); ok {
			v.SetString(string(t))
		}
	})
}

// spanKey names a text in the table of spans: the first 16 digits of its SHA-256.
func spanKey(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// eachText visits every text below v.
func eachText(v reflect.Value, do func(reflect.Value)) {
	if v.Type() == TextType {
		do(v)
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			eachText(v.Elem(), do)
		}
	case reflect.Slice, reflect.Array:
		if !scalar(v.Type().Elem()) {
			for i := range v.Len() {
				eachText(v.Index(i), do)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				eachText(v.Field(i), do)
			}
		}
	}
}

// TextType is the type of texts that know what their stretches are.
var TextType = reflect.TypeFor[claim.Text]()

// scalar reports whether a type holds no text: long lists of numbers are not looked through.
func scalar(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Array, reflect.Struct, reflect.Map:
		return false
	}
	return t != TextType
}
