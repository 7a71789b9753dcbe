package redact

import (
	"bytes"
	"testing"
)

// FuzzMapping reads mappings that are anything: what is accepted is written and read again as it was.
func FuzzMapping(f *testing.F) {
	var empty bytes.Buffer
	if err := NewMapping().Write(&empty); err != nil {
		f.Fatal(err)
	}
	f.Add(empty.Bytes())
	f.Add([]byte(`{"schema":"` + MappingSchema + `","id":"x","tokens":[{"token":"pkg1","name":"a"},{"token":"pkg2","name":"b"}]}`))
	f.Add([]byte(`{"schema":"` + MappingSchema + `","id":"x","tokens":[{"token":"pkg99999999999999999999","name":"a"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ReadMapping(bytes.NewReader(text))
		if err != nil {
			return
		}
		var once, twice bytes.Buffer
		if err := m.Write(&once); err != nil {
			t.Fatal(err)
		}
		again, err := ReadMapping(bytes.NewReader(once.Bytes()))
		if err != nil {
			t.Fatalf("%s: cannot read what was written: %v", once.Bytes(), err)
		}
		if err := again.Write(&twice); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Errorf("written %s, and again %s", once.Bytes(), twice.Bytes())
		}
	})
}
