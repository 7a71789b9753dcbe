package manifest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func planned(names ...string) *Manifest {
	m := &Manifest{Schema: Schema, Source: "test", Started: time.Now().UTC().Round(time.Millisecond)}
	for _, n := range names {
		m.Files = append(m.Files, File{Name: n, Result: Skipped, Why: "not yet"})
	}
	return m
}

func readBack(t *testing.T, dir string) *Manifest {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, Name))
	if err != nil {
		t.Fatal(err)
	}
	m, err := Read(bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%v:\n%s", err, data)
	}
	return m
}

// TestWriter reads the manifest after every step, as whoever finds the case does.
func TestWriter(t *testing.T) {
	dir := t.TempDir()
	m := planned("a", "b", "c")
	w, err := Create(dir, m)
	if err != nil {
		t.Fatal(err)
	}
	size := func() int64 {
		info, err := os.Stat(filepath.Join(dir, Name))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	room := size()
	for i := range m.Files {
		f := &m.Files[i]
		f.Result, f.Why, f.Bytes, f.SHA256, f.Started, f.Ended = Taken, "", 1<<40, strings.Repeat("f", 64), m.Started, m.Started
		if i == 1 {
			f.Result, f.Why = InPart, strings.Repeat("w", 100)
		}
		if err := w.Update(m); err != nil {
			t.Fatal(err)
		}
		if got := readBack(t, dir); got.Files[i].Bytes != 1<<40 || i < 2 && got.Files[2].Result != Skipped {
			t.Errorf("after %d files: %+v", i+1, got)
		}
		if size() != room {
			t.Errorf("it grew from %d to %d bytes, and the room was there", room, size())
		}
	}
	m.Ended = m.Started.Add(time.Second)
	if err := w.Close(m); err != nil {
		t.Fatal(err)
	}
	want, _ := json.MarshalIndent(m, "", " ")
	if data, _ := os.ReadFile(filepath.Join(dir, Name)); string(data) != string(want)+"\n" {
		t.Errorf("closed it holds\n%s\nwant\n%s", data, want)
	}
	if _, err := Create(dir, m); err == nil {
		t.Error("a second manifest took the place of the first")
	}
}

// TestShortened writes a manifest where there is no room for its reasons.
func TestShortened(t *testing.T) {
	dir := t.TempDir()
	m := planned("a", "b")
	w, err := Create(dir, m)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abandon()
	// A file that is open for reading alone cannot grow; what is written is.
	whole := w.f
	readOnly, err := os.Open(filepath.Join(dir, Name))
	if err != nil {
		t.Fatal(err)
	}
	m.Files[0].Why = strings.Repeat("long ", 10_000)
	m.Notes = []string{strings.Repeat("n", 10_000)}
	w.f = readOnly
	if err := w.Update(m); err == nil {
		t.Error("a file that cannot be written was written")
	}
	_ = readOnly.Close()
	w.f = whole
	if got := readBack(t, dir); len(got.Files) != 2 || got.Files[0].Why != "not yet" {
		t.Errorf("after a failure: %+v", got)
	}
	if s := encode(shortened(m)); int64(len(s)) > w.room {
		t.Errorf("shortened it has %d bytes, and the room is %d", len(s), w.room)
	}
}
