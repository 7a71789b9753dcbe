package mutate

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func recorded(t *testing.T, pattern string) []byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: no such recording (%v)", pattern, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestWhole takes evidence apart and puts it together again: were that not exact, mutants
// would be noise that the first check rejects.
func TestWhole(t *testing.T) {
	data := recorded(t, "internal/evidence/exectrace/testdata/versions/go1.26.trace")
	var out []byte
	all := batches(data[headerSize:])
	for i := range all {
		if all[i].unparsed != nil {
			t.Fatalf("batch %d of %d does not parse", i, len(all))
		}
		out = all[i].append(out)
	}
	// The runtime pads the size of a batch to ten bytes, so the bytes differ and what they say does not.
	if again := batches(out); len(all) < 10 || !reflect.DeepEqual(again, all) {
		t.Errorf("%d batches, and %d after writing them", len(all), len(again))
	}
	m, ok := fields([]byte("\x0a\x03abc\x10\x96\x01\x19\x01\x02\x03\x04\x05\x06\x07\x08\x25\x01\x02\x03\x04"))
	if !ok || len(m) != 4 || m[1].value != 150 || string(m[0].bytes) != "abc" {
		t.Errorf("fields: %+v, %v", m, ok)
	}
	if got, _ := fields(message(m)); len(got) != 4 || got[3].value != 0x04030201 {
		t.Errorf("fields again: %+v", got)
	}
}

// TestMutants makes the same mutant of the same seed, another of another, and mostly ones that differ from what they are made of.
func TestMutants(t *testing.T) {
	for kind, pattern := range map[Kind]string{
		Trace: "internal/evidence/exectrace/testdata/versions/go1.2[2-7].trace", Profile: "internal/evidence/pprofile/testdata/go1.27/*",
		Text: "internal/evidence/dump/testdata/crashes-go1.26.txt", Archive: "internal/evidence/dump/testdata/crashes-go1.26.txt",
	} {
		data := recorded(t, pattern)
		whole := bytes.Clone(data)
		seen := map[string]bool{}
		for i := range uint64(60) {
			one := Of(kind, data, rand.New(rand.NewPCG(1, i)))
			if !bytes.Equal(one, Of(kind, data, rand.New(rand.NewPCG(1, i)))) {
				t.Fatalf("%s: mutant %d differs from itself", kind, i)
			}
			if len(one) > maxMutant {
				t.Errorf("%s: mutant %d has %d bytes", kind, i, len(one))
			}
			seen[string(one)] = true
		}
		if !bytes.Equal(data, whole) {
			t.Errorf("%s: the seed was changed", kind)
		}
		if len(seen) < 50 {
			t.Errorf("%s: %d different mutants of 60", kind, len(seen))
		}
	}
}
