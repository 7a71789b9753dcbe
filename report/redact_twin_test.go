package report

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
)

// names is everything that a made-up case names.
type names struct {
	folder, log    string
	pkg, typ       string
	method, longer string // of the type
	function       string
	dir, file      string
	key, label     string
	message, host  string
}

// twins are cases that differ in nothing but their names.
var twins = []names{
	{"incident", "app.txt", "example.com/acme/orders", "Book", "Place", "PlaceAll", "drain", "/home/alice/src/acme/orders", "book.go", "tenant", "globex", "order 17 of globex is not found", "db-3.prod.acme.internal"},
	{"cache", "order.txt", "cache", "Heap", "Get", "GetAll", "wait", "/build/main", "main.go", "main", "cache", "cache", "localhost.localdomain"},
	{"größe kunde", "protokoll übergabe.txt", "firma.de/größe/ändern", "Ärger", "Öffnen", "ÖffnenNeu", "über", `C:\Users\Änne Müller\go\src\firma`, "größe.go", "käufer", "Jörg \"der Boss\" Größe", "Kunde \"Jörg\" (4711); the process died", "größe.firma.de"},
	{"a|b`c", "x (1).txt", "gopkg.in/yaml%2ev3", "T", "M", "MM", "F", `\\srv\share\team a`, "f.go", "k", `v]x, y}: "z`, "panic: fatal error: a -> b, see https://bob:pw@host.example.com:8443/x?y=z and mail joe@example.com", "192.0.2.17"},
	{"e1", "path-7.txt", "pkg2", "T7", "M7", "M77", "F7", "/path-9", "file-3.go", "label-2", "label-2", "text-1", "host-4.example.org"},
}

// write lays the case's evidence down in a folder of its name.
func (n names) write(t *testing.T, root string) string {
	t.Helper()
	dir := filepath.Join(root, n.folder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	method, longer, function := n.pkg+".(*"+n.typ+")."+n.method, n.pkg+".(*"+n.typ+")."+n.longer, n.pkg+"."+n.function
	file := n.dir + "/" + n.file
	if strings.Contains(n.dir, `\`) {
		file = n.dir + `\` + n.file
	}
	put := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	prof := func(columns [][2]string, period int64, samples map[string][]int64, stacks map[string][]string, labels bool) []byte {
		p := &profile.Profile{Period: period, DurationNanos: 30e9, TimeNanos: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC).UnixNano()}
		for _, c := range columns {
			p.SampleType = append(p.SampleType, &profile.ValueType{Type: c[0], Unit: c[1]})
		}
		p.PeriodType = p.SampleType[len(p.SampleType)-1]
		m := &profile.Mapping{ID: 1, Start: 1, Limit: 1 << 30, HasFunctions: true}
		p.Mapping = []*profile.Mapping{m}
		for _, key := range []string{"a", "b"} {
			s := &profile.Sample{Value: samples[key]}
			if labels {
				s.Label = map[string][]string{n.key: {n.label}}
			}
			for _, f := range stacks[key] {
				id := uint64(len(p.Function) + 1)
				fn := &profile.Function{ID: id, Name: f, SystemName: f, Filename: file}
				if strings.HasPrefix(f, "sync.") {
					fn.Filename = "/home/alice/sdk/go1.26/src/sync/mutex.go"
				}
				loc := &profile.Location{ID: id, Mapping: m, Address: id, Line: []profile.Line{{Function: fn, Line: 7}}}
				p.Function, p.Location, s.Location = append(p.Function, fn), append(p.Location, loc), append(s.Location, loc)
			}
			p.Sample = append(p.Sample, s)
		}
		var b bytes.Buffer
		if err := p.Write(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	put("mutex.pb.gz", prof([][2]string{{"contentions", "count"}, {"delay", "nanoseconds"}}, 1,
		map[string][]int64{"a": {5000, 600e9}, "b": {100, 1e9}},
		map[string][]string{"a": {"sync.(*Mutex).Unlock", method, function, "main.main"}, "b": {"sync.(*Mutex).Unlock", longer, "main.main"}}, false))
	put("cpu.pb.gz", prof([][2]string{{"samples", "count"}, {"cpu", "nanoseconds"}}, 1e7,
		map[string][]int64{"a": {2500, 25e9}, "b": {500, 5e9}},
		map[string][]string{"a": {longer + ".func1", function, "main.main"}, "b": {function, "main.main"}}, true))
	var b strings.Builder
	fmt.Fprintf(&b, "2026-05-04T12:00:00Z connected to %s\npanic: %s\n\ngoroutine 7 [running]:\n", n.host, n.message)
	fmt.Fprintf(&b, "%s(0xc000012345, {0x1, 0x2})\n\t%s:41 +0x1d\n%s()\n\t%s:12 +0x2a\ncreated by main.main in goroutine 1\n\t%s:9 +0x3b\n\n", method, file, function, file, file)
	for i := range 300 {
		fmt.Fprintf(&b, "goroutine %d [sync.Mutex.Lock, 3 minutes labels:{%q: %q}]:\nsync.(*Mutex).Lock(0xc0000a0000)\n\t/usr/local/go/src/sync/mutex.go:46 +0x1d\n%s(0xc000012345)\n\t%s:33 +0x1d\ncreated by %s in goroutine 1\n\t%s:9 +0x3b\n\n",
			100+3*i, n.key, n.label, method, file, function, file)
	}
	b.WriteString("exit status 2\n")
	put(n.log, []byte(b.String()))
	return dir
}

// judge makes the report of a case, with hashes and sizes that do not tell the cases apart.
func (n names) judge(t *testing.T, focus bool) *Report {
	t.Helper()
	var f evidence.Focus
	if focus {
		f.Label = [2]string{n.key, n.label}
	}
	b, err := evidence.Open(context.Background(), []string{n.write(t, t.TempDir())}, evidence.Options{Focus: f})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range b.Exhibits {
		e.SHA256, e.Bytes = strings.Repeat("0", 64), 1
		if e.Coverage == evidence.None {
			t.Fatalf("%s: %q", e.Path, e.Problems)
		}
	}
	res, err := analyze.Judge(b, detect.All, analyze.Options{Evidence: evidence.Options{Focus: f}})
	if err != nil {
		t.Fatal(err)
	}
	return New(res, Version("test"))
}

// TestRedactTwins holds strict redaction to the strongest promise there is: cases that
// differ in names alone give the same bytes, so that no name can have got through.
func TestRedactTwins(t *testing.T) {
	for _, focus := range []bool{false, true} {
		first := twins[0].judge(t, focus)
		least := 3
		if focus {
			least-- // deadlock is not asked about goroutines with a label alone
		}
		if len(first.Findings) < least {
			t.Fatalf("%d findings: the case shows too little", len(first.Findings))
		}
		want := map[string]string{}
		for _, f := range formats {
			want[f.name] = written(t, f.write, Redact(first, RedactStrict, &Mapping{}, ownText()))
		}
		for i, n := range twins[1:] {
			r := n.judge(t, focus)
			for _, f := range formats {
				got := written(t, f.write, Redact(r, RedactStrict, &Mapping{}, ownText()))
				if d := cmp.Diff(strings.Split(want[f.name], "\n"), strings.Split(got, "\n")); d != "" {
					t.Errorf("twin %d, %s (focus %v) shows through:\n%s", i+1, f.name, focus, d[:min(len(d), 2500)])
				}
			}
		}
	}
}

// TestRedactNames looks for what the milder level takes out, in a case full of it.
func TestRedactNames(t *testing.T) {
	for i, n := range twins[:4] {
		r := n.judge(t, true)
		red := Redact(r, RedactNames, &Mapping{}, ownText())
		all := written(t, WriteJSON, r)
		if function := n.pkg + ".(*"; !strings.Contains(written(t, WriteJSON, red), strings.ReplaceAll(function, "%2e", ".")) {
			t.Errorf("twin %d: names in code are gone", i)
		}
		for _, f := range formats {
			text := written(t, f.write, red)
			for _, secret := range []string{n.dir, n.message, n.host, n.key + "=" + n.label, n.folder + "/", n.log} {
				if strings.Contains(text, secret) && len(secret) > 5 {
					t.Errorf("twin %d, %s: %q survives", i, f.name, secret)
				}
			}
		}
		if !strings.Contains(all, n.log) {
			t.Errorf("twin %d: the report never named %s", i, n.log)
		}
	}
}

// TestRedactMapping holds tokens to the same names across reports that share a mapping.
func TestRedactMapping(t *testing.T) {
	m := NewMapping()
	a := Redact(twins[0].judge(t, false), RedactStrict, m, ownText())
	var saved bytes.Buffer
	if err := m.Write(&saved); err != nil {
		t.Fatal(err)
	}
	text := saved.String()
	again, err := ReadMapping(&saved)
	if err != nil {
		t.Fatal(err)
	}
	_ = Redact(twins[1].judge(t, false), RedactStrict, again, ownText()) // other names come between
	b := Redact(twins[0].judge(t, false), RedactStrict, again, ownText())
	if d := cmp.Diff(written(t, WriteJSON, a), written(t, WriteJSON, b)); d != "" {
		t.Errorf("the same report has other tokens:\n%s", d)
	}
	if a.Findings[0].Fingerprint != b.Findings[0].Fingerprint || a.Redacted.Mapping == "" {
		t.Error("fingerprints differ under one mapping")
	}
	for what, bad := range map[string]string{
		"gap":     strings.Replace(text, `"pkg1"`, `"pkg3"`, 1),
		"schema":  strings.Replace(text, "mapping/v1", "mapping/v2", 1),
		"no id":   strings.Replace(text, again.ID, "", 1),
		"unknown": strings.Replace(text, `"pkg1"`, `"what1"`, 1),
		"cut":     text[:len(text)/2],
	} {
		if _, err := ReadMapping(strings.NewReader(bad)); err == nil {
			t.Errorf("%s: read without an error", what)
		}
	}
}

// FuzzRedact puts a text into a report wherever one from the evidence is shown
// whole. What is left must not differ from what another text leaves.
func FuzzRedact(f *testing.F) {
	incident := load(f, "incident")
	incident.Timelines = nil
	saved, own := written(f, WriteJSON, incident), ownText()
	for _, n := range []string{"main", "cache", "Ünï", "a b", `x"y`, "10.0.0.1", "path-1", "it's", "50 %", "e1", "\xff", "a=b", "\u202e", "# x", `\`} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if len(name) > 200 {
			return
		}
		pasted := !claim.NewCommand("grep", name).None()
		with := func(name string) string {
			r, err := Read(strings.NewReader(saved))
			if err != nil {
				t.Fatal(err)
			}
			for i := range r.Findings {
				r.Findings[i].Summary += claim.Legacy(fmt.Sprintf("; it said %q", name))
				r.Findings[i].Evidence[0].Reproduce = claim.Command{}
				if pasted {
					r.Findings[i].Evidence[0].Reproduce = claim.Grep(&evidence.Exhibit{Path: "x.log"}, name)
				}
			}
			r.Focus = &Focus{Label: "k=" + name, Task: name, Exhibits: []Focused{}}
			normalise(r)
			red := Redact(r, RedactStrict, &Mapping{}, own)
			for _, f := range formats {
				_ = written(t, f.write, red)
			}
			return written(t, WriteJSON, red)
		}
		valid := strings.ToValidUTF8(name, "\uFFFD")
		if got := with(name); name != "" && !runtimeText.MatchString(valid) && !strings.Contains(saved, valid) && !standardName(valid) && !functionRE.MatchString(strings.TrimSuffix(valid, "(")) {
			if want := with("Zebra"); got != want {
				t.Errorf("%q shows through:\n%s", name, cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")))
			}
		}
	})
}
