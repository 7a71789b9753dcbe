package evidence

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"inquest/internal/evidence/prose"
)

const oneDump = "goroutine 1 [running]:\nmain.main()\n\t/src/main.go:1 +0x1\n"

// sample returns a recorded file of one of the readers' test data.
func sample(t testing.TB, parts ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func profileOf(t testing.TB, kind string) []byte {
	return sample(t, "..", "..", "internal", "evidence", "pprofile", "testdata", "go1.27", kind+".pb.gz")
}

func textOf(t testing.TB, kind string) []byte {
	return sample(t, "..", "..", "internal", "evidence", "pprofile", "testdata", "go1.27", kind+".txt")
}

// folder writes files and returns the folder they are in.
func folder(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t testing.TB, paths ...string) *Bundle {
	t.Helper()
	b, err := Open(context.Background(), paths, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range b.Exhibits {
		if e.ID != fmt.Sprintf("e%d", i+1) {
			t.Errorf("exhibit %d has id %s", i, e.ID)
		}
		set := 0
		for _, ok := range []bool{e.Profile() != nil, e.Trace() != nil, e.Dump() != nil, e.Crashes() != nil, e.Races() != nil, e.GC() != nil, e.Sched() != nil} {
			if ok {
				set++
			}
		}
		if (e.Coverage == None) == (set == 1) || set > 1 {
			t.Errorf("%s: coverage %s with %d measurements", e.Path, e.Coverage, set)
		}
		if e.Coverage != Whole && len(e.Problems) == 0 && e.Kind != Provenance {
			t.Errorf("%s: coverage %s without a problem", e.Path, e.Coverage)
		}
		for _, p := range e.Problems {
			if !strings.HasPrefix(p.String(), e.Path) || strings.Contains(p.String(), "\n") {
				t.Errorf("problem is not one line that begins with its path: %q", p)
			}
		}
	}
	return b
}

// list gives one line for each exhibit.
func list(b *Bundle) []string {
	var out []string
	for _, e := range b.Exhibits {
		line := fmt.Sprintf("%s %s %s", e.Kind, e.Path, e.Coverage)
		if e.Part != "" {
			line += " " + e.Part.String()
		}
		out = append(out, line)
	}
	return out
}

// passedOver gives one line for each reason.
func passedOver(b *Bundle) []string {
	var out []string
	for _, p := range b.PassedOver {
		out = append(out, p.String())
	}
	return out
}

func zipped(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(data)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func zstded(t testing.TB, data []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(data, nil)
}

type file struct {
	name string
	data []byte
}

func zipFile(t testing.TB, files ...file) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		w, err := z.Create(f.name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(f.data)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func tarFile(t testing.TB, files ...file) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(f.data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestFolder opens a folder as an incident leaves it: kinds by content, sorted,
// what was meant as evidence and is none named, and all else passed over by reason.
func TestFolder(t *testing.T) {
	dir := folder(t, map[string][]byte{
		"cpu.pb.gz":          profileOf(t, "cpu"),
		"heap/1":             profileOf(t, "heap"),
		"mutex.txt":          textOf(t, "mutex"),
		"block.pb.gz":        profileOf(t, "block"),
		"goroutines":         profileOf(t, "goroutine"),
		"leak":               profileOf(t, "goroutineleak"),
		"threads":            profileOf(t, "threadcreate"),
		"trace.out":          traceSample(t),
		"logs/app.log":       []byte("2026-09-01T12:00:00Z start\npanic: a\n\n" + oneDump + "\n2026-09-01T12:01:00Z start\npanic: b\n\n" + oneDump),
		"logs/quiet.log":     []byte("2026-09-01T12:00:00Z nothing happened\n"),
		"README.md":          []byte("# how to read a dump\n\n" + oneDump),
		"truth.yaml":         []byte("find: x\n"),
		"prog/main.go":       []byte("package main\n/*\n" + oneDump + "*/\n"),
		"notes":              []byte("just words\n"),
		"report.json":        []byte(`{"schema":"x"}`),
		"service":            append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 5000)...),
		"core.bin":           bytes.Repeat([]byte{0, 1, 2, 0xff, 0xfe}, 1000),
		"empty.prof":         nil,
		".hidden/mutex":      profileOf(t, "mutex"),
		".dump":              []byte(oneDump + "\n"),
		".gitkeep":           nil,
		"page.html":          []byte("<html><pre>\n" + oneDump + "</pre>\n"),
		"saved.json":         []byte("{ \"schema\" : \"inquest/report/v1\",\n\"text\": \"\n" + oneDump + "\"}"),
		"picture.png":        append([]byte("\x89PNG\r\n\x1a\n\x00\x00"), bytes.Repeat([]byte{0, 200, 1}, 9000)...),
		"rotated.log":        append(make([]byte, 9000), "\npanic: c\n\n"+oneDump...),
		".git/cpu.pb.gz":     profileOf(t, "cpu"),
		"unrelated/data.csv": []byte("a,b\n1,2\n"),
	})
	b := open(t, dir)
	want := []string{
		"cpu cpu.pb.gz whole",
		"heap heap/1 whole",
		"mutex .hidden/mutex whole",
		"mutex mutex.txt whole",
		"block block.pb.gz whole",
		"goroutine goroutines whole",
		"goroutineleak leak whole",
		"threadcreate threads whole",
		"trace trace.out whole",
		"dump .dump whole",
		"dump README.md whole",
		"dump page.html whole",
		"crash logs/app.log whole",
		"crash rotated.log whole",
		"unknown empty.prof none",
		"unknown logs/quiet.log none",
	}
	if diff := cmp.Diff(want, list(b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	over := []string{
		"passed over, Go source: prog/main.go",
		"passed over, empty: .gitkeep",
		"passed over, executable: service",
		"passed over, folder of version control: .git",
		"passed over, of no kind that inquest reads: core.bin, picture.png",
		"passed over, report or other output of inquest: saved.json",
		"passed over, text that holds no evidence: notes, report.json, truth.yaml and 1 more",
	}
	if diff := cmp.Diff(over, passedOver(b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if b.Title != filepath.Base(dir) || len(b.Unreadable) > 0 {
		t.Errorf("title %q, unreadable %v", b.Title, b.Unreadable)
	}
	crashes := b.Of(Crash)
	if c := crashes[0].Crashes(); len(c) != 1 || c[0].Message != "a" || c[0].Count != 2 || !crashes[0].CapturedAt.Equal(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)) || crashes[0].Duration != time.Minute {
		t.Errorf("crashes: %+v at %v", c, crashes[0].CapturedAt)
	}
	if e := b.Exhibits[0]; e.SHA256 != sha256Of(profileOf(t, "cpu")) || e.BuildID == "" || e.Duration == 0 || e.Bytes != int64(len(profileOf(t, "cpu"))) {
		t.Errorf("cpu profile: %+v", e)
	}
}

// TestOneLog finds all kinds that one log can hold in one file, with one hash.
func TestOneLog(t *testing.T) {
	read := func(path ...string) []byte { return sample(t, path...) }
	var log []byte
	for _, part := range [][]byte{read("..", "..", "internal", "evidence", "runtimelog", "testdata", "go1.26.txt"), read("..", "..", "internal", "evidence", "dump", "testdata", "race-go1.26.txt"), read("..", "..", "internal", "evidence", "dump", "testdata", "quit-go1.26.txt"),
		[]byte("restarted\n"), read("..", "..", "internal", "evidence", "runtimelog", "testdata", "go1.24.txt"), read("..", "..", "internal", "evidence", "dump", "testdata", "crashes-go1.26.txt")} {
		log = append(append(log, "2026-09-01T12:00:00Z INFO served 7 requests\n"...), part...)
	}
	b := open(t, folder(t, map[string][]byte{"app.log": log}))
	kinds := map[Kind]int{}
	for _, e := range b.Exhibits {
		kinds[e.Kind]++
		if e.SHA256 != sha256Of(log) || e.Coverage == None {
			t.Errorf("%s %s: hash %s, coverage %s", e.Kind, e.Part, e.SHA256, e.Coverage)
		}
	}
	// Dumps: asked for, and of the fatal errors, which print all goroutines.
	if want := map[Kind]int{Dump: 8, Crash: 1, Race: 1, GCTrace: 2, SchedTrace: 2}; !cmp.Equal(kinds, want) {
		t.Errorf("kinds %v, want %v", kinds, want)
	}
	if n := b.GOMAXPROCS(); n != 3 {
		t.Errorf("GOMAXPROCS %d, want 3", n)
	}
}

// traceSample returns a trace of several generations.
func traceSample(t testing.TB) []byte {
	return sample(t, "..", "..", "fixtures", "locks", "orders-lockheld", "trace.out")
}

func sha256Of(data []byte) string {
	sum, _ := (&source{ReaderAt: bytes.NewReader(data), size: int64(len(data))}).hash()
	return sum
}

// TestWrapped holds every way to pack evidence to what the evidence says bare.
func TestWrapped(t *testing.T) {
	cpu, log, tr := profileOf(t, "cpu"), []byte(oneDump), traceSample(t)
	members := []file{{"a/cpu.pb.gz", cpu}, {"a/log.txt", log}, {"trace", tr}, {"README", []byte("words\n")}, {".hidden", []byte(oneDump + "\n")}, {"CVS/Root", log}, {"a/nothing.log", []byte("x\n")}}
	wantMembers := func(archive string) []string {
		return []string{"cpu " + archive + "!a/cpu.pb.gz whole", "trace " + archive + "!trace whole", "dump " + archive + "!a/log.txt whole", "dump " + archive + "!.hidden whole", "unknown " + archive + "!a/nothing.log none"}
	}
	raw, err := gunzip(cpu)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		want []string
	}{
		"x.zip":        {zipFile(t, members...), wantMembers("x.zip")},
		"x.tar":        {tarFile(t, members...), wantMembers("x.tar")},
		"x.tgz":        {zipped(t, tarFile(t, members...)), wantMembers("x.tgz")},
		"x.tar.zst":    {zstded(t, tarFile(t, members...)), wantMembers("x.tar.zst")},
		"no-extension": {zipFile(t, members...), wantMembers("no-extension")},
		"trace.out.gz": {zipped(t, tr), []string{"trace trace.out.gz whole"}},
		"t.zst":        {zstded(t, tr), []string{"trace t.zst whole"}},
		"app.log.gz":   {zipped(t, log), []string{"dump app.log.gz whole"}},
		"app.log.zst":  {zstded(t, log), []string{"dump app.log.zst whole"}},
		"cpu.pb":       {raw, []string{"cpu cpu.pb whole"}},
		"cpu.pb.zst":   {zstded(t, raw), []string{"cpu cpu.pb.zst whole"}},
		"cpu.gz.zst":   {zstded(t, cpu), []string{"unknown cpu.gz.zst none"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, filepath.Join(folder(t, map[string][]byte{name: c.data}), name))
			if diff := cmp.Diff(c.want, list(b)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if strings.Contains(c.want[0], "!") {
				if diff := cmp.Diff([]string{"passed over, folder of version control: " + name + "!CVS/Root", "passed over, text that holds no evidence: " + name + "!README"}, passedOver(b)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if got := b.Exhibits[0].SHA256; got != sha256Of(cpu) {
					t.Errorf("a member's hash is %s", got)
				}
			} else if got := b.Exhibits[0].SHA256; got != sha256Of(c.data) {
				t.Errorf("the file's hash is %s", got)
			}
		})
	}
}

func gunzip(data []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func TestStdin(t *testing.T) {
	for name, c := range map[string]struct {
		r    io.Reader
		want string
	}{
		"profile":      {bytes.NewReader(profileOf(t, "cpu")), "cpu stdin whole"},
		"in pieces":    {iotest.OneByteReader(bytes.NewReader(profileOf(t, "heap"))), "heap stdin whole"},
		"large":        {io.MultiReader(strings.NewReader(strings.Repeat("just a line of a log\n", 1<<20)), strings.NewReader(oneDump)), "dump stdin whole"},
		"nothing":      {strings.NewReader(""), "unknown stdin none"},
		"broken early": {iotest.ErrReader(io.ErrClosedPipe), "unknown stdin none"},
		"broken late":  {io.MultiReader(strings.NewReader(oneDump), iotest.ErrReader(io.ErrClosedPipe)), "dump stdin partial"},
	} {
		b, err := Open(context.Background(), []string{"-"}, Options{Stdin: c.r})
		if err != nil {
			t.Fatal(err)
		}
		if got := list(b); len(got) != 1 || got[0] != c.want || b.Title != "stdin" {
			t.Errorf("%s: %q, title %q; want %s", name, got, b.Title, c.want)
		}
	}
}

// TestBad holds every broken input to one clear line, and the rest to be read.
func TestBad(t *testing.T) {
	cpu, tr := profileOf(t, "cpu"), traceSample(t)
	log := strings.Repeat("2026-09-01T12:00:00Z served\n", 5000)
	lines := bytes.Repeat(append(bytes.Repeat([]byte("x"), 999), '\n'), 70<<10) // expands a thousandfold
	for name, c := range map[string]struct {
		name, want string
		data       []byte
	}{
		"empty":            {"empty.log", "unknown empty.log none: empty.log: empty file", nil},
		"text":             {"notes.txt", "unknown notes.txt none: notes.txt: text without a goroutine dump, ", []byte("hello\n")},
		"wrong name":       {"trace.out", "cpu trace.out whole: trace.out is a CPU profile, read as such", cpu},
		"cut profile":      {"cpu.pb.gz", "unknown cpu.pb.gz none: cpu.pb.gz: gzip stream ends early", cpu[:len(cpu)-20]},
		"cut trace":        {"trace.out", "trace trace.out partial: trace.out: ", tr[:len(tr)*9/10]},
		"future trace":     {"trace.out", "trace trace.out none: trace.out: execution trace: written in the trace format of Go 1.99", append([]byte("go 1.99 trace\x00\x00\x00"), tr[16:]...)},
		"cut log":          {"app.log.gz", "dump app.log.gz partial: app.log.gz: gzip stream ends early: ", cut(zipped(t, []byte(oneDump+noise(200_000))), 30)},
		"cut log, no dump": {"app.log.gz", "unknown app.log.gz none: app.log.gz: gzip stream ends early: ", cut(zipped(t, []byte(log)), 30)},
		"cut zip":          {"x.zip", "unknown x.zip none: x.zip: zip archive cannot be read: not a valid zip file", cut(zipFile(t, file{"cpu", cpu}), 40)},
		"cut tar":          {"x.tar", "unknown x.tar none: x.tar: archive ends early or is damaged after 0 members: ", tarFile(t, file{"cpu", cpu})[:300]},
		"zip in zip":       {"x.zip", "unknown x.zip!y.zip none: x.zip!y.zip: a zip archive inside an archive is not opened: unpack it first", zipFile(t, file{"y.zip", zipFile(t, file{"cpu", cpu})})},
		"tar in zip":       {"x.zip", "unknown x.zip!y none: x.zip!y: a tar archive inside an archive is not opened: unpack it first", zipFile(t, file{"y", zipped(t, tarFile(t, file{"cpu", cpu}))})},
		"escaping zip":     {"x.zip", "unknown x.zip!../../etc/cpu none: x.zip!../../etc/cpu: not read: its name leads out of the archive", zipFile(t, file{"../../etc/cpu", cpu})},
		"absolute tar":     {"x.tar", "unknown x.tar!/etc/cpu none: x.tar!/etc/cpu: not read: its name leads out of the archive", tarFile(t, file{"/etc/cpu", cpu})},
		"backslashes":      {"x.zip", `unknown x.zip!..\..\cpu none: x.zip!..\..\cpu: not read`, zipFile(t, file{`..\..\cpu`, cpu})},
		"zip bomb":         {"x.zip", "unknown x.zip!lines none: x.zip!lines: expands too far for its size", zipFile(t, file{"lines", lines})},
		"overlapping zip":  {"x.zip", "unknown x.zip none: x.zip: members lie in one another, as in a decompression bomb: the last 8 of 9 were not read", overlapping(zipFile(t, file{"d", []byte(noise(200_000))}), 9)},
		"gzip bomb":        {"x.log.gz", "unknown x.log.gz none: x.log.gz: expands too far for its size", zipped(t, lines)},
		"zeros in a zip":   {"x.zip", "unknown x.zip!zeros.log none: x.zip!zeros.log: not evidence that inquest reads", zipFile(t, file{"zeros.log", make([]byte, 70<<20)})},
		"zeros in gzip":    {"x.log.gz", "unknown x.log.gz none: x.log.gz: not evidence that inquest reads", zipped(t, make([]byte, 70<<20))},
		"executable":       {"service", "unknown service none: service: an executable", append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 5000)...)},
		"wall clock":       {"wall.pb.gz", "unknown wall.pb.gz none: wall.pb.gz: a profile of \"samples/count\", \"time/nanoseconds\"", zipped(t, wallClock())},
		"empty contention": {"svc-block.pb", "block svc-block.pb whole: svc-block.pb: nothing in it tells", contentionProfile()},
		"cut dump":         {"d.txt", "dump d.txt partial: d.txt: cut off inside goroutine 1", []byte("goroutine 1 [running]:\nmain.f()\n\t/a.go:1\nmain.main()")},
	} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string][]byte{c.name: c.data, "good.pb.gz": profileOf(t, "heap")})
			b := open(t, filepath.Join(dir, c.name), filepath.Join(dir, "good.pb.gz"))
			var got []string
			for _, e := range b.Exhibits {
				got = append(got, fmt.Sprintf("%s %s %s: %s", e.Kind, e.Path, e.Coverage, prose.Join(e.Problems, "; ").String()))
			}
			if len(got) != 2 || !strings.HasPrefix(got[0], c.want) && !strings.HasPrefix(got[1], c.want) {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
			if len(b.Of(Heap)) != 1 {
				t.Error("the good file beside it was not read")
			}
		})
	}
}

// overlapping is a zip archive of one member with its entry n times, so that all share the same bytes.
func overlapping(archive []byte, n int) []byte {
	entries, end := bytes.Index(archive, []byte("PK\x01\x02")), bytes.LastIndex(archive, []byte("PK\x05\x06"))
	entry, trailer := archive[entries:end], slices.Clone(archive[end:])
	binary.LittleEndian.PutUint16(trailer[8:], uint16(n))
	binary.LittleEndian.PutUint16(trailer[10:], uint16(n))
	binary.LittleEndian.PutUint32(trailer[12:], uint32(n*len(entry)))
	return slices.Concat(archive[:entries], bytes.Repeat(entry, n), trailer)
}

func cut(data []byte, n int) []byte { return data[:len(data)-n] }

// noise is text that does not compress to nothing.
func noise(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "2026-09-01T12:00:%02dZ served request %d\n", i%60, i*7919)
	}
	return b.String()
}

// wallClock and contentionProfile are profiles of two sample types and no samples, as protobuf.
func wallClock() []byte         { return columns("samples", "count", "time", "nanoseconds") }
func contentionProfile() []byte { return columns("contentions", "count", "delay", "nanoseconds") }

func columns(names ...string) []byte {
	b := []byte{0x0a, 4, 8, 1, 16, 2, 0x0a, 4, 8, 3, 16, 4, 0x32, 0}
	for _, n := range names {
		b = append(append(b, 0x32, byte(len(n))), n...)
	}
	return b
}

// TestPaths holds names to be short, unique and free of what lies above them.
func TestPaths(t *testing.T) {
	cpu, heap, mutex := profileOf(t, "cpu"), profileOf(t, "heap"), profileOf(t, "mutex")
	dir := folder(t, map[string][]byte{"before/cpu": cpu, "before/in/heap": heap, "after/cpu": mutex, "after/x": profileOf(t, "block")})
	at := func(p string) string { return filepath.Join(dir, p) }
	for name, c := range map[string]struct {
		paths []string
		want  []string
		title string
	}{
		"a file":               {[]string{at("before/cpu")}, []string{"cpu cpu whole"}, "cpu"},
		"a folder":             {[]string{at("before")}, []string{"cpu cpu whole", "heap in/heap whole"}, "before"},
		"two folders":          {[]string{at("before"), at("after")}, []string{"cpu before/cpu whole", "heap in/heap whole", "mutex after/cpu whole", "block x whole"}, "2 inputs"},
		"two files":            {[]string{at("before/cpu"), at("after/cpu")}, []string{"cpu before/cpu whole", "mutex after/cpu whole"}, "2 inputs"},
		"a folder and its own": {[]string{at("before"), at("before/cpu"), at("before/../before/in")}, []string{"cpu cpu whole", "heap in/heap whole"}, "3 inputs"},
	} {
		b := open(t, c.paths...)
		got := list(b)
		if diff := cmp.Diff(c.want, got); diff != "" || b.Title != c.title {
			t.Errorf("%s: title %q (-want +got):\n%s", name, b.Title, diff)
		}
	}

	missing := filepath.Join(dir, "nope.pb.gz")
	b := open(t, at("before/cpu"), missing)
	if got, want := list(b), []string{"cpu cpu whole", "unknown " + missing + " none"}; !cmp.Equal(got, want) {
		t.Errorf("missing: %q, want %q", got, want)
	}
	if p := b.Exhibits[1].Problems; len(p) != 1 || p[0].String() != missing+": no such file or directory" || !cmp.Equal(b.Unreadable, []string{missing}) {
		t.Errorf("missing: problems %q, unreadable %q", p, b.Unreadable)
	}
	if _, err := Open(context.Background(), nil, Options{}); err == nil {
		t.Error("no path is no error")
	}
	if b := open(t, t.TempDir()); len(b.Exhibits) != 0 {
		t.Errorf("an empty folder holds %q", list(b))
	}
}

// TestSameBytes counts evidence once that is there twice.
func TestSameBytes(t *testing.T) {
	cpu := profileOf(t, "cpu")
	b := open(t, folder(t, map[string][]byte{"a.pb.gz": cpu, "all.zip": zipFile(t, file{"a.pb.gz", cpu})}))
	if got := len(b.Of(CPU)); got != 1 {
		t.Errorf("%d CPU profiles, want 1: %q", got, list(b))
	}
}

// TestInterrupted returns what was read until the context ended.
func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	b, err := Open(ctx, []string{folder(t, map[string][]byte{"cpu": profileOf(t, "cpu")})}, Options{})
	if err != context.Canceled || len(b.Exhibits) != 1 || b.Exhibits[0].Coverage != None || !strings.Contains(b.Exhibits[0].Problems[0].String(), "interrupted") {
		t.Errorf("error %v, exhibits %q", err, list(b))
	}
}

// TestManyAtOnce opens many files with few and many jobs and expects the same bundle.
func TestManyAtOnce(t *testing.T) {
	files := map[string][]byte{}
	var members []file
	for i := range 40 {
		data := append([]byte(fmt.Sprintf("run %d\n", i)), oneDump...)
		files[fmt.Sprintf("d%02d.txt", i)] = data
		members = append(members, file{fmt.Sprintf("m%02d.txt", i), append([]byte("member "), data...)})
	}
	files["all.tar.gz"] = zipped(t, tarFile(t, members...))
	files["all.zip"] = zipFile(t, members[:20]...)
	dir := folder(t, files)
	var want []string
	for _, jobs := range []int{1, 2, 16} {
		var last, total int64
		b, err := Open(context.Background(), []string{dir}, Options{Jobs: jobs, Progress: func(done, all, _ int64) { last, total = done, all }})
		if err != nil {
			t.Fatal(err)
		}
		if last != total || total == 0 {
			t.Errorf("%d jobs: progress ended at %d of %d", jobs, last, total)
		}
		got := list(b)
		if want == nil {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d jobs (-one job +this):\n%s", jobs, diff)
		}
	}
	if len(want) != 100 {
		t.Errorf("%d exhibits, want 100", len(want))
	}
}

// TestGuard turns the panic of a reader into a problem of one exhibit.
func TestGuard(t *testing.T) {
	it := &item{name: "x"}
	func() {
		defer it.guard(&Exhibit{Path: "x"})
		_ = []int{}[len(it.exhibits)]
	}()
	if len(it.exhibits) != 1 || it.exhibits[0].Coverage != None || !strings.Contains(it.exhibits[0].Problems[0].String(), "inquest/analyze/evidence.TestGuard") {
		t.Errorf("exhibits: %+v", it.exhibits[0])
	}
}

func FuzzOpen(f *testing.F) {
	cpu := profileOf(f, "threadcreate")
	f.Add(cpu)
	f.Add(zipFile(f, file{"a/cpu", cpu}, file{"../b", []byte(oneDump)}))
	f.Add(tarFile(f, file{"a/cpu", cpu}))
	f.Add(zipped(f, tarFile(f, file{"a", []byte(oneDump)})))
	f.Add(zstded(f, []byte(oneDump)))
	f.Add([]byte(oneDump))
	f.Add([]byte("heap profile: 0: 0 [0: 0] @ heap/1048576\n"))
	f.Add([]byte("go 1.26 trace\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Open(context.Background(), []string{"-"}, Options{Stdin: bytes.NewReader(data), Jobs: 2})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range b.Exhibits {
			for _, p := range e.Problems {
				if strings.Contains(p.String(), "please report it") {
					t.Error(p)
				}
			}
		}
	})
}
