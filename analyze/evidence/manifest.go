package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// ManifestSchema names the format of a capture's manifest.
const ManifestSchema = "inquest/capture/v1"

// ManifestName is the file that a capture leaves beside its evidence.
const ManifestName = "manifest.json"

// Manifest tells how a folder of evidence was taken: by what, from where, when, and
// what could not be taken. It is an exhibit with a hash, as what it says is relied upon, and no
// evidence of the program. inquest capture and package recorder write it; docs/capture.md describes it field by field.
type Manifest struct {
	Schema  string         `json:"schema"`
	Tool    ManifestTool   `json:"tool"`
	Source  string         `json:"source"` // URL without secrets, command, or process
	Started time.Time      `json:"started"`
	Ended   time.Time      `json:"ended"`
	Trigger *Trigger       `json:"trigger,omitempty"` // why a recorder took it; nil when a person did
	Program Program        `json:"program"`
	Files   []ManifestFile `json:"files"`           // in the order in which they were asked for
	Notes   []string       `json:"notes,omitempty"` // on the capture as a whole
}

// ManifestTool is the program that took the evidence.
type ManifestTool struct {
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

// ManifestFile is one file that was asked for.
type ManifestFile struct {
	Name     string    `json:"name"`              // file beside the manifest, there when Result is taken or partial
	Request  string    `json:"request,omitempty"` // what was asked for, such as "mutex?seconds=10"
	Result   Result    `json:"result"`
	Why      string    `json:"why,omitempty"` // of any result but a plain taken
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Attempts int       `json:"attempts,omitempty"`
	Bytes    int64     `json:"bytes,omitempty"`
	SHA256   string    `json:"sha256,omitempty"`
}

// Bounds of what is read of a manifest: it comes from strangers as all evidence does.
const (
	maxManifest      = 4 << 20
	maxManifestFiles = 10_000
)

// ReadManifest reads a manifest and fails on what is none.
func ReadManifest(r io.Reader) (*Manifest, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxManifest {
		return nil, fmt.Errorf("a manifest of more than %s", Of(maxManifest, Bytes))
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("not a manifest: %w", err)
	}
	if m.Schema != ManifestSchema {
		return nil, fmt.Errorf("not a manifest: schema %q, want %q", m.Schema, ManifestSchema)
	}
	if len(m.Files) > maxManifestFiles {
		return nil, fmt.Errorf("a manifest of more than %d files", maxManifestFiles)
	}
	for _, f := range m.Files {
		if f.Name == "" || f.Name != path.Base(f.Name) || f.Name == ".." || strings.ContainsAny(f.Name, `\`+"\x00") {
			return nil, errors.New("a manifest that names files outside of its folder")
		}
	}
	return &m, nil
}

// captureSchemas begins the schema of every version of a manifest.
const captureSchemas = "inquest/capture/"

// isManifest reports whether a file that begins with head is a capture's manifest.
func isManifest(head []byte) bool { return strings.HasPrefix(schemaOf(head), captureSchemas) }

// schemaOf returns the schema of a JSON document that begins with head, where it
// stands first in it; "" if it does not.
func schemaOf(head []byte) string {
	rest := head
	for _, next := range []string{"{", `"schema"`, ":", `"`} {
		var ok bool
		if rest, ok = bytes.CutPrefix(bytes.TrimLeft(rest, " \t\r\n"), []byte(next)); !ok {
			return ""
		}
	}
	schema, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(schema)
}

// Capture is a manifest that lay beside evidence.
type Capture struct {
	Path string // of the manifest, as an exhibit's
	*Manifest
}

// manifest reads a capture's manifest.
func (o *opener) manifest(it *item, e *Exhibit, c *content) []*Exhibit {
	m, err := ReadManifest(c.all())
	if err != nil {
		e.problem("%v", err)
		return it.none(e)
	}
	it.manifest, e.Kind = m, Provenance
	if it.named && len(o.items) == 1 {
		e.problem("the manifest of a capture, which is no evidence itself: name the folder it lies in")
	}
	return it.none(e)
}

// attach gives the files of each capture what its manifest knows of them, and
// returns the captures. items are the files of one archive, or those outside of any.
func attach(items []*item) []Capture {
	var out []Capture
	for _, it := range items {
		out = append(out, attach(it.members)...)
		if it.manifest == nil {
			continue
		}
		out = append(out, Capture{it.name, it.manifest})
		files := map[string]*ManifestFile{}
		for i := range it.manifest.Files {
			files[it.manifest.Files[i].Name] = &it.manifest.Files[i]
		}
		folder, _ := filepath.Split(it.location)
		for _, other := range items {
			dir, base := filepath.Split(other.location)
			f := files[base]
			if f == nil || dir != folder || other == it {
				continue
			}
			for _, e := range other.exhibits {
				e.captured(it, f)
			}
		}
	}
	return out
}

// captured fills in what only the manifest knows. What the evidence says itself goes before it.
func (e *Exhibit) captured(manifest *item, f *ManifestFile) {
	if f.SHA256 != "" && e.SHA256 != "" && !strings.EqualFold(f.SHA256, e.SHA256) {
		e.problem("it is not what was captured: %s has another hash of it", manifest.name)
		return
	}
	if strings.HasPrefix(f.Request, string(e.Kind)) {
		e.Problems = slices.DeleteFunc(e.Problems, func(p string) bool { return strings.HasSuffix(p, byName) })
	}
	// A log covers its process's life; when it was fetched says nothing of its lines.
	if e.CapturedAt.IsZero() && e.Coverage != None && (e.Dump != nil || e.Profile != nil || e.Crashes != nil) && f.Request != "stderr" {
		e.CapturedAt = f.Ended
	}
}
