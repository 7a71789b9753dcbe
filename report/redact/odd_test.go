package redact

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/trace"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/bound"
	"inquest/recorder/manifest"
	"inquest/report"
	"inquest/report/format"
	"inquest/report/internal/reporttest"
	"inquest/report/internal/view"
)

// oddNames are names that a sentence, a quote, a path or a shell would cut; %s is what must not be seen.
var oddNames = []string{
	`%s"x`, `"%s`, `%s"`, `"%s"`, `a"%s"b`, `%s'`, `'%s`, "`%s`", `%s.`, `%s,`, `%s;`, `%s:`, `%s!`, `%s?`, `%s)`, `(%s`, `%s(`, `)%s`, `x(%s`, `((%s))`, `%s]`, `[%s`, `{%s`, `%s}`, `<%s>`,
	`%s x`, `x %s`, `x  %s`, ` %s`, `%s `, `x". %s`, `x: "%s`, `the %s lock`, `%s, %s`, `a=%s`, `%s=a`, `-%s`, `--%s=x`, `x->%s`, `%s's`, `'%s's'`, `\%s`, `%s\`, `x\"%s`, `%%%s`, `%s%%20`, `#%s`, `$(%s)`, `*%s*`, `|%s|`, `&%s;`, `~%s`, `!%s`,
	"%s\tx", "%s\nx", "x\n%s", "x\r%s", "\u00a0%s", "%s\u200bx", "\u202e%s", "\xff%s", "%s\xff", "é%s", "%sé", `%s: the same bytes as`, `stdin %s`, `1 inputs %s`, `%s 12 ms`, `goroutine 7 [%s`, `panic: %s`, `0x1f %s`, `%s@x`, `http://%s"`, `go1.26 %s`,
}

const secret = "GEHEIM"

// writeOdd lays down a case in which all that can carry a name carries an odd one. Names in code do where code is secret too.
func writeOdd(t *testing.T, dir, odd string, code bool) string {
	t.Helper()
	name := fmt.Sprintf(strings.ReplaceAll(odd, "%s", "%[1]s"), secret)
	file := strings.NewReplacer("/", "_", "\x00", "_").Replace(name)
	inCode, key, build := "Name", "tenant", "b1" // stay where code is not secret
	if code {
		inCode, key, build = name, name, name
	}
	dir = filepath.Join(dir, "case "+file)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Skipf("no file can be called %q here: %v", name, err)
		}
	}
	method, function := "example.com/acme/"+inCode+".(*Book).Place", "main."+inCode
	prof := func(columns [][2]string, values ...int64) []byte {
		p := &profile.Profile{DurationNanos: 30e9, Period: 1, TimeNanos: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC).UnixNano(), Comments: []string{name}, DefaultSampleType: name}
		for _, c := range columns {
			p.SampleType = append(p.SampleType, &profile.ValueType{Type: c[0], Unit: c[1]})
		}
		p.PeriodType = p.SampleType[0]
		m := &profile.Mapping{ID: 1, Start: 1, Limit: 1 << 30, HasFunctions: true, BuildID: build, File: "/bin/" + name}
		p.Mapping = []*profile.Mapping{m}
		s := &profile.Sample{Value: values, Label: map[string][]string{key: {name}}}
		for _, f := range []string{"sync.(*Mutex).Unlock", method, function, "main.main"} {
			id := uint64(len(p.Function) + 1)
			fn := &profile.Function{ID: id, Name: f, SystemName: f, Filename: "/home/" + name + "/src/" + inCode + ".go"}
			loc := &profile.Location{ID: id, Mapping: m, Address: id, Line: []profile.Line{{Function: fn, Line: 7}}}
			p.Function, p.Location, s.Location = append(p.Function, fn), append(p.Location, loc), append(s.Location, loc)
		}
		p.Sample = []*profile.Sample{s}
		var b bytes.Buffer
		if err := p.Write(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	mutex := prof([][2]string{{"contentions", "count"}, {"delay", "nanoseconds"}}, 5000, 600e9)
	put(file+".pb.gz", mutex)
	put("again "+file, mutex) // the same bytes
	put("cut "+file+".pb.gz", mutex[:len(mutex)/2])
	put("cpu.pb.gz", prof([][2]string{{"samples", "count"}, {"cpu", "nanoseconds"}}, 2500, 25e9))
	put("own.pb.gz", prof([][2]string{{name, name}, {"x " + name, "count"}}, 3, 4))
	put("nothing "+file, []byte("nothing "+name))
	put("stray "+file+".json", []byte(`{"schema": "`+evidence.ManifestSchema+`", "files": 7}`))
	kept := &manifest.Manifest{Schema: evidence.ManifestSchema, Tool: manifest.Tool{Name: name, Version: name},
		Trigger: &manifest.Trigger{Name: name, Value: 7, Limit: 3, Unit: name, Says: name}}
	for _, f := range []string{file, "absent " + file, "cpu.pb.gz"} {
		kept.Files = append(kept.Files, manifest.File{Name: f, Request: name, Result: evidence.Failed, Why: name, SHA256: strings.Repeat("0", 64)},
			manifest.File{Name: f, Request: name, Result: evidence.InPart, Why: name, SHA256: strings.Repeat("0", 64)})
	}
	text, err := json.Marshal(kept)
	if err != nil {
		t.Fatal(err)
	}
	put("capture.json", text)
	var b strings.Builder
	fmt.Fprintf(&b, "connected to %s\npanic: %s\n\ngoroutine 7 [running]:\n%s(0xc000012345)\n\t/home/%s/%s.go:41 +0x1d\n\n", name, name, method, name, inCode)
	for i := range 60 {
		fmt.Fprintf(&b, "goroutine %d [sync.Mutex.Lock, 3 minutes, labels:{%q: %q}]:\nsync.(*Mutex).Lock(0xc0000a0000)\n\t/usr/local/go/src/sync/mutex.go:46 +0x1d\n%s(0xc000012345)\n\t/home/%s/%s.go:33 +0x1d\ncreated by %s in goroutine 1\n\t/home/%s/x.go:9 +0x3b\n\n",
			100+3*i, key, name, method, name, inCode, function, name)
	}
	put(file+".log", []byte(b.String()))
	var tr bytes.Buffer
	if err := trace.Start(&tr); err != nil {
		t.Skip(err)
	}
	for range 20 {
		ctx, task := trace.NewTask(context.Background(), name)
		trace.WithRegion(ctx, name, func() { trace.Log(ctx, name, name); time.Sleep(50 * time.Microsecond) })
		task.End()
	}
	trace.Stop()
	put("trace "+file+".out", tr.Bytes())
	return dir
}

// TestRedactOdd looks for what redaction takes out in cases whose every name holds what cuts names, in every format at both levels.
func TestRedactOdd(t *testing.T) {
	odds := reporttest.Some(oddNames, 5)
	if testing.Short() {
		odds = odds[:3]
	}
	own := ownText()
	for _, odd := range odds {
		t.Run(odd, func(t *testing.T) {
			for _, level := range []string{report.RedactNames, report.RedactStrict} {
				dir := writeOdd(t, t.TempDir(), odd, level == report.RedactStrict)
				b, err := evidence.Open(t.Context(), []string{dir}, evidence.Options{})
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range []evidence.Focus{{}, {Task: fmt.Sprintf(strings.ReplaceAll(odd, "%s", "%[1]s"), secret)}} {
					res, err := analyze.Judge(b, detect.All, analyze.Options{Evidence: evidence.Options{Focus: f}})
					if err != nil {
						t.Fatal(err)
					}
					r := report.New(res, report.Version("test"), report.Made([]string{"inquest", "analyze", dir, "--label=tenant=" + secret}, "abc"))
					if plain := reporttest.Written(t, report.WriteJSON, r); strings.Count(plain, secret) < 10 {
						t.Fatalf("the report never named it: %s", plain)
					}
					red := Report(r, level, &Mapping{}, own)
					for _, f := range format.All {
						text := strings.ToUpper(reporttest.Written(t, f.Report, red))
						if i := strings.Index(text, secret); i >= 0 {
							t.Errorf("%s, --redact=%s: %q", f.Name, level, text[max(0, i-100):min(len(text), i+100)])
						}
					}
				}
			}
		})
	}
}

// TestRedactCost holds redaction to a time in proportion to the document: names that fill it as far as they may cost no
// more for each character than short ones.
func TestRedactCost(t *testing.T) {
	own := ownText()
	cost := func(text string, n int) time.Duration {
		r := reporttest.Load(t, "incident")
		r.Timelines = nil
		for i := range r.Findings {
			r.Findings[i].Caveats = nil
		}
		for range n {
			r.Findings[0].Caveats = append(r.Findings[0].Caveats, claim.Legacy(text))
		}
		start := time.Now()
		Report(r, report.RedactStrict, &Mapping{}, own)
		return time.Since(start)
	}
	const long = bound.MaxText
	for _, part := range []string{"a", `word main.f /x/y.go:7 "q" `, `"x`, "a.b/", "/", "(", `\"`, " x", "a=", "->", "it's", "1-", "é", "path-1 ", "Ab.", "a:1:"} {
		short, whole := strings.Repeat(part, 64/len(part)), strings.Repeat(part, long/len(part))
		few, many := cost(short, 16*long/64), cost(whole, 16)
		if many > 8*few+time.Second {
			t.Errorf("%q: 256 KB in texts of 64 bytes takes %v, in texts of %d bytes %v", part, few, long, many)
		}
	}
}

// Plain redaction keeps what joins reports of one program: names in code, keys of labels and the ids of builds. Strict
// redaction drops all of them.
func TestRedactKeeps(t *testing.T) {
	dir := writeOdd(t, t.TempDir(), "%s", false)
	f := evidence.Focus{Label: [2]string{"tenant", secret}}
	b, err := evidence.Open(t.Context(), []string{dir}, evidence.Options{Focus: f})
	if err != nil {
		t.Fatal(err)
	}
	res, err := analyze.Judge(b, detect.All, analyze.Options{Evidence: evidence.Options{Focus: f}})
	if err != nil {
		t.Fatal(err)
	}
	r := report.New(res, report.Version("test"))
	kept := []string{`"build_id": "b1"`, `"label": "tenant=`, "main.Name", "example.com/acme/Name"}
	plain, names, strict := reporttest.Written(t, report.WriteJSON, r), reporttest.Written(t, report.WriteJSON, Report(r, report.RedactNames, &Mapping{}, ownText())), reporttest.Written(t, report.WriteJSON, Report(r, report.RedactStrict, &Mapping{}, ownText()))
	for _, k := range kept {
		if !strings.Contains(plain, k) || !strings.Contains(names, k) {
			t.Errorf("%s is gone under --redact", k)
		}
		if strings.Contains(strict, k) {
			t.Errorf("%s survives --redact=strict", k)
		}
	}
	if strings.Contains(names, secret) {
		t.Error("the value of the label survives --redact")
	}
	if says := view.RedactionWords(&report.Redaction{Level: report.RedactNames}); !strings.Contains(says, "build ids stay") || !strings.Contains(says, "keys of labels") {
		t.Errorf("the report says only: %s", says)
	}
}
