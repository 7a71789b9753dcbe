package reporttest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"inquest/analyze"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
	"inquest/report"
)

// Names is everything that a made-up case names.
type Names struct {
	Folder, Log    string
	Pkg, Type      string
	Method, Longer string // of the type
	Function       string
	Dir, File      string
	Key, Label     string
	Message, Host  string
}

// Twins are cases that differ in nothing but their names.
var Twins = []Names{
	{"incident", "app.txt", "example.com/acme/orders", "Book", "Place", "PlaceAll", "drain", "/home/alice/src/acme/orders", "book.go", "tenant", "globex", "order 17 of globex is not found", "db-3.prod.acme.internal"},
	{"cache", "order.txt", "cache", "Heap", "Get", "GetAll", "wait", "/build/main", "main.go", "main", "cache", "cache", "localhost.localdomain"},
	{"größe kunde", "protokoll übergabe.txt", "firma.de/größe/ändern", "Ärger", "Öffnen", "ÖffnenNeu", "über", `C:\Users\Änne Müller\go\src\firma`, "größe.go", "käufer", "Jörg \"der Boss\" Größe", "Kunde \"Jörg\" (4711); the process died", "größe.firma.de"},
	{"a|b`c", "x (1).txt", "gopkg.in/yaml%2ev3", "T", "M", "MM", "F", `\\srv\share\team a`, "f.go", "k", `v]x, y}: "z`, "panic: fatal error: a -> b, see https://bob:pw@host.example.com:8443/x?y=z and mail joe@example.com", "192.0.2.17"},
	{"e1", "path-7.txt", "pkg2", "T7", "M7", "M77", "F7", "/path-9", "file-3.go", "label-2", "label-2", "text-1", "host-4.example.org"},
}

// write lays the case's evidence down in a folder of its name.
func (n Names) write(t *testing.T, root string) string {
	t.Helper()
	dir := filepath.Join(root, n.Folder)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	method, longer, function := n.Pkg+".(*"+n.Type+")."+n.Method, n.Pkg+".(*"+n.Type+")."+n.Longer, n.Pkg+"."+n.Function
	file := n.Dir + "/" + n.File
	if strings.Contains(n.Dir, `\`) {
		file = n.Dir + `\` + n.File
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
				s.Label = map[string][]string{n.Key: {n.Label}}
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
	fmt.Fprintf(&b, "2026-05-04T12:00:00Z connected to %s\npanic: %s\n\ngoroutine 7 [running]:\n", n.Host, n.Message)
	fmt.Fprintf(&b, "%s(0xc000012345, {0x1, 0x2})\n\t%s:41 +0x1d\n%s()\n\t%s:12 +0x2a\ncreated by main.main in goroutine 1\n\t%s:9 +0x3b\n\n", method, file, function, file, file)
	for i := range 300 {
		fmt.Fprintf(&b, "goroutine %d [sync.Mutex.Lock, 3 minutes labels:{%q: %q}]:\nsync.(*Mutex).Lock(0xc0000a0000)\n\t/usr/local/go/src/sync/mutex.go:46 +0x1d\n%s(0xc000012345)\n\t%s:33 +0x1d\ncreated by %s in goroutine 1\n\t%s:9 +0x3b\n\n",
			100+3*i, n.Key, n.Label, method, file, function, file)
	}
	b.WriteString("exit status 2\n")
	put(n.Log, []byte(b.String()))
	return dir
}

// Judge makes the report of a case, with hashes and sizes that do not tell the cases apart.
func (n Names) Judge(t *testing.T, focus bool) *report.Report {
	t.Helper()
	var f evidence.Focus
	if focus {
		f.Label = [2]string{n.Key, n.Label}
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
	return report.New(res, report.Version("test"))
}
