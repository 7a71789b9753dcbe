// Package manifest is the record of how a case was taken: by what, from where, when, and what could not be
// taken. inquest capture and package recorder write it beside the evidence, and the analysis reads it; docs/capture.md
// describes it field by field. It depends on the standard library alone, because services import it.
package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Schema names the format of a manifest.
const Schema = "inquest/capture/v1"

// Name is the file that a capture leaves beside its evidence.
const Name = "manifest.json"

// Manifest tells how a folder of evidence was taken. It is an exhibit with a hash, as what it says is relied
// upon, and no evidence of the program.
type Manifest struct {
	Schema  string    `json:"schema"`
	Tool    Tool      `json:"tool"`
	Source  string    `json:"source"` // URL without secrets, command, or process
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended,omitzero"`    // zero while the capture goes on, and after one that was killed
	Trigger *Trigger  `json:"trigger,omitempty"` // why a recorder took it; nil when a person did
	Program Program   `json:"program"`
	Files   []File    `json:"files"`           // in the order in which they were asked for
	Notes   []string  `json:"notes,omitempty"` // on the capture as a whole
}

// Tool is the program that took the evidence.
type Tool struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

// Program is the process that the evidence is of, as far as it was told. Arguments
// are left out, as they often hold secrets.
type Program struct {
	Name       string `json:"name,omitempty"` // base name of the executable
	GoVersion  string `json:"go_version,omitempty"`
	GOMAXPROCS int    `json:"gomaxprocs,omitempty"`
	PID        int    `json:"pid,omitempty"`
	Goroutines int    `json:"goroutines,omitempty"` // when the capture began
}

// Trigger is what made a recorder take a case.
type Trigger struct {
	Name  string    `json:"name"` // latency, goroutines, heap, panic, signal, request
	At    time.Time `json:"at"`
	Value float64   `json:"value,omitempty"`
	Limit float64   `json:"limit,omitempty"`
	Unit  string    `json:"unit,omitempty"`
	Says  string    `json:"says,omitempty"` // such as the panic's value
}

// Result says what became of one file of a capture.
type Result string

// The results of asking for a file.
const (
	Taken   Result = "taken"   // whole
	InPart  Result = "partial" // kept, and Why says what is missing
	Absent  Result = "absent"  // the program does not offer it
	Failed  Result = "failed"  // offered and not got; nothing is kept
	Skipped Result = "skipped" // not asked for, and Why says why
)

// File is one file that was asked for.
type File struct {
	Name     string    `json:"name"`              // file beside the manifest, there when Result is taken or partial
	Request  string    `json:"request,omitempty"` // what was asked for, such as "mutex?seconds=10"
	Redirect *Redirect `json:"redirect,omitempty"`
	Result   Result    `json:"result"`
	Why      string    `json:"why,omitempty"` // of any result but a plain taken
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Attempts int       `json:"attempts,omitempty"`
	Bytes    int64     `json:"bytes,omitempty"`
	SHA256   string    `json:"sha256,omitempty"`
}

// Redirect says that another server than the one asked gave the answer.
type Redirect struct {
	From string `json:"from"` // URL asked for, without secrets
	To   string `json:"to"`   // URL that answered, without secrets
}

// Kept reports whether the file is beside the manifest.
func (f File) Kept() bool { return f.Result == Taken || f.Result == InPart }

// Kept reports whether the capture holds any evidence.
func (m *Manifest) Kept() bool { return slices.ContainsFunc(m.Files, File.Kept) }

// Bounds of what is read of a manifest: it comes from strangers as all evidence does.
const (
	MaxBytes = 4 << 20
	MaxFiles = 10_000
)

// Read reads a manifest and fails on what is none.
func Read(r io.Reader) (*Manifest, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxBytes {
		return nil, fmt.Errorf("a manifest of more than %d MiB", MaxBytes>>20)
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("not a manifest: %w", err)
	}
	if m.Schema != Schema {
		return nil, fmt.Errorf("not a manifest: schema %q, want %q", m.Schema, Schema)
	}
	if len(m.Files) > MaxFiles {
		return nil, fmt.Errorf("a manifest of more than %d files", MaxFiles)
	}
	for _, f := range m.Files {
		if f.Name == "" || f.Name != path.Base(f.Name) || f.Name == ".." || strings.ContainsAny(f.Name, `\`+"\x00") {
			return nil, errors.New("a manifest that names files outside of its folder")
		}
	}
	return &m, nil
}

// Writer keeps a manifest on disk while its capture goes on. It takes the room that the manifest will need
// before the first evidence is written, so that a disk which gets full, or a process that is killed, leaves a
// case that says what it holds and what it lacks.
type Writer struct {
	f    *os.File
	room int64 // size of the file: the text and the blanks behind it
}

// Create writes m, which lists all files that will be asked for, into dir.
func Create(dir string, m *Manifest) (*Writer, error) {
	name := filepath.Join(dir, Name)
	// Exclusive, so that no link laid there by another user is followed.
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		return nil, err
	}
	w := &Writer{f: f}
	if err = w.extend(need(m)); err == nil {
		err = w.Update(m)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(name)
		return nil, err
	}
	return w, nil
}

// need is the size that a manifest may grow to when its files are taken.
func need(m *Manifest) int64 {
	full := *m
	full.Ended = m.Started
	full.Program.GoVersion = strings.Repeat("x", 32)
	full.Notes = append(slices.Clone(m.Notes), strings.Repeat("x", 200))
	full.Files = slices.Clone(m.Files)
	for i := range full.Files {
		f := &full.Files[i]
		f.Result, f.Started, f.Ended, f.Attempts, f.Bytes = InPart, m.Started, m.Started, 10, 1<<50
		f.SHA256 = strings.Repeat("x", 64)
		f.Why += strings.Repeat("x", max(0, 100-len(f.Why)))
	}
	return int64(len(encode(&full)))
}

func encode(m *Manifest) []byte {
	data, err := json.MarshalIndent(m, "", " ")
	if err != nil { // of a time or a number that JSON cannot hold, which no clock and no count gives
		data = []byte("{}")
	}
	return append(data, '\n')
}

// extend makes the file longer, with blanks.
func (w *Writer) extend(size int64) error {
	if size <= w.room {
		return nil
	}
	blanks := []byte(strings.Repeat(" ", int(size-w.room)))
	if _, err := w.f.WriteAt(blanks, w.room); err != nil {
		_ = w.f.Truncate(w.room)
		return err
	}
	w.room = size
	return nil
}

// Update replaces what is written. Where there is no room for all of it, reasons are cut short.
func (w *Writer) Update(m *Manifest) error {
	_, err := w.put(m)
	return err
}

func (w *Writer) put(m *Manifest) (size int64, err error) {
	data := encode(m)
	if err = w.extend(int64(len(data))); err != nil {
		data = encode(shortened(m))
		if int64(len(data)) > w.room {
			return 0, err
		}
	}
	size = int64(len(data))
	// In one write and over the blanks: nobody finds half of it, and it needs no more room.
	data = append(data, strings.Repeat(" ", int(w.room-size))...)
	_, err = w.f.WriteAt(data, 0)
	return size, err
}

// shortened is m with its reasons cut.
func shortened(m *Manifest) *Manifest {
	const most = 40
	cut := func(s string) string {
		if r := []rune(s); len(r) > most {
			return string(r[:most]) + "..."
		}
		return s
	}
	out := *m
	out.Files, out.Notes = slices.Clone(m.Files), slices.Clone(m.Notes)
	for i := range out.Files {
		out.Files[i].Why = cut(out.Files[i].Why)
	}
	for i := range out.Notes {
		out.Notes[i] = cut(out.Notes[i])
	}
	if m.Trigger != nil {
		t := *m.Trigger
		t.Says = cut(t.Says)
		out.Trigger = &t
	}
	return &out
}

// Close writes the manifest for good and gives back the room that it did not need.
func (w *Writer) Close(m *Manifest) error {
	size, err := w.put(m)
	if err == nil {
		err = w.f.Truncate(size)
	}
	return errors.Join(err, w.f.Close())
}

// Abandon closes the file and leaves what is written.
func (w *Writer) Abandon() { _ = w.f.Close() }
