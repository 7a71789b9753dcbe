package evidence

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"

	"inquest/internal/evidence/prose"
	"inquest/recorder/manifest"
)

// Names of the manifest's contract.
const (
	ManifestSchema = manifest.Schema
	ManifestName   = manifest.Name

	Taken   = manifest.Taken
	InPart  = manifest.InPart
	Absent  = manifest.Absent
	Failed  = manifest.Failed
	Skipped = manifest.Skipped
)

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
	*manifest.Manifest
}

// manifest reads a capture's manifest.
func (o *opener) manifest(it *item, e *Exhibit, c *source) []*Exhibit {
	m, err := manifest.Read(c.all())
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
		files := map[string]*manifest.File{}
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
func (e *Exhibit) captured(manifest *item, f *manifest.File) {
	if f.SHA256 != "" && e.SHA256 != "" && !strings.EqualFold(f.SHA256, e.SHA256) {
		e.problem("it is not what was captured: %s has another hash of it", prose.Path(manifest.name))
		return
	}
	if strings.HasPrefix(f.Request, string(e.Kind)) {
		e.Problems = slices.DeleteFunc(e.Problems, func(p prose.Text) bool { return e.guess != "" && p == e.guess })
	}
	// A log covers its process's life; when it was fetched says nothing of its lines.
	if e.CapturedAt.IsZero() && e.Coverage != None && e.Kind.is(fetched) && f.Request != "stderr" {
		e.CapturedAt = f.Ended
	}
}
