package evidence

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"inquest/recorder/manifest"
)

var taken = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func manifestOf(t testing.TB, files ...manifest.File) []byte {
	t.Helper()
	data, err := json.MarshalIndent(manifest.Manifest{Schema: ManifestSchema, Source: "http://orders:6060/debug/pprof/", Files: files}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestManifestBesideEvidence(t *testing.T) {
	sum := sha256.Sum256([]byte(oneDump))
	manifest := manifestOf(t,
		manifest.File{Name: "dump.txt", Result: Taken, Ended: taken, SHA256: hex.EncodeToString(sum[:])},
		manifest.File{Name: "trace.out", Result: Failed, Why: "404"})
	dir := folder(t, map[string][]byte{"a/manifest.json": manifest, "a/dump.txt": []byte(oneDump),
		"b/manifest.json": manifest, "b/dump.txt": []byte(strings.Replace(oneDump, ":1", ":2", 1))})
	archive := filepath.Join(dir, "c.zip")
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	for name, data := range map[string][]byte{"case/manifest.json": manifest, "case/dump.txt": []byte(oneDump)} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(archive, packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}

	for _, path := range []string{filepath.Join(dir, "a"), archive} {
		b := open(t, path)
		if len(b.Exhibits) != 2 || b.Exhibits[0].Kind != Dump || len(b.Exhibits[0].Problems) > 0 {
			t.Fatalf("%s: exhibits %+v, want the dump with nothing wrong with it, and the manifest", path, b.Exhibits)
		}
		if m := b.Exhibits[1]; m.Kind != Provenance || m.Coverage != None || len(m.SHA256) != 64 || len(b.Of(Provenance)) != 0 {
			t.Errorf("%s: the manifest is %+v, want it hashed and no evidence of the program", path, m)
		}
		if got := b.Exhibits[0].CapturedAt; !got.Equal(taken) {
			t.Errorf("%s: the dump was taken at %v, want the manifest's time", path, got)
		}
		if len(b.Captures) != 1 || len(b.Captures[0].Files) != 2 {
			t.Errorf("%s: captures %+v", path, b.Captures)
		}
	}

	b := open(t, filepath.Join(dir, "b"))
	if len(b.Exhibits) != 2 || len(b.Exhibits[0].Problems) != 1 || !strings.Contains(b.Exhibits[0].Problems[0].String(), "not what was captured") {
		t.Errorf("a changed file: %+v", b.Exhibits[0].Problems)
	}
	if got := b.Exhibits[0].CapturedAt; !got.IsZero() {
		t.Errorf("a changed file has the time %v of another", got)
	}
}

func TestManifestTellsAnEmptyProfile(t *testing.T) {
	var empty bytes.Buffer
	if err := (&profile.Profile{SampleType: []*profile.ValueType{{Type: "contentions", Unit: "count"}, {Type: "delay", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "contentions", Unit: "count"}, Period: 1}).Write(&empty); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"mutex.pb.gz": empty.Bytes()}
	if b := open(t, folder(t, files)); len(b.Exhibits[0].Problems) != 1 {
		t.Fatalf("problems %q: want that the name alone told the kind", b.Exhibits[0].Problems)
	}
	files["manifest.json"] = manifestOf(t, manifest.File{Name: "mutex.pb.gz", Request: "mutex?seconds=10", Result: Taken})
	if b := open(t, folder(t, files)); len(b.Exhibits[0].Problems) != 0 {
		t.Errorf("problems %q although the manifest tells what was asked for", b.Exhibits[0].Problems)
	}
}

func TestManifestAlone(t *testing.T) {
	dir := folder(t, map[string][]byte{"manifest.json": manifestOf(t)})
	b := open(t, filepath.Join(dir, "manifest.json"))
	if len(b.Exhibits) != 1 || b.Exhibits[0].Coverage != None || !strings.Contains(b.Exhibits[0].Problems[0].String(), "manifest of a capture") {
		t.Errorf("exhibits %+v", b.Exhibits)
	}
}

func TestBadManifest(t *testing.T) {
	for name, data := range map[string]string{
		"cut":     string(manifestOf(t))[:60],
		"version": `{"schema": "inquest/capture/v9", "files": []}`,
		"leaving": `{"schema": "inquest/capture/v1", "files": [{"name": "../dump.txt"}]}`,
		"many":    `{"schema": "inquest/capture/v1", "files": [` + strings.Repeat(`{"name":"x"},`, manifest.MaxFiles) + `{"name":"x"}]}`,
	} {
		dir := folder(t, map[string][]byte{"manifest.json": []byte(data), "dump.txt": []byte(oneDump)})
		b := open(t, dir)
		if len(b.Captures) != 0 || len(b.Exhibits) != 2 || len(b.Exhibits[1].Problems) == 0 {
			t.Errorf("%s: captures %v, exhibits %+v: want the problem said and the dump kept", name, b.Captures, b.Exhibits)
		}
	}
}

func FuzzManifest(f *testing.F) {
	f.Add(manifestOf(f, manifest.File{Name: "dump.txt", Result: Taken, Ended: taken}))
	f.Add([]byte(`{"schema":"inquest/capture/v1","files":[{"name":".."}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := manifest.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, file := range m.Files {
			if dir, _ := filepath.Split(file.Name); dir != "" || file.Name == "" || file.Name == ".." {
				t.Errorf("a file outside of the folder: %q", file.Name)
			}
		}
	})
}
