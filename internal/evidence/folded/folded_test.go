package folded

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/pprofile"
)

func read(text string) *pprofile.Profile {
	var r Reader
	for line := range strings.Lines(text) {
		r.Line([]byte(strings.TrimRight(line, "\r\n")))
	}
	return r.Close()
}

// show writes a profile as lines "COUNT leaf < caller < ...".
func show(p *pprofile.Profile) []string {
	if p == nil {
		return nil
	}
	out := []string{p.Columns[0].Name}
	for _, s := range p.Samples {
		var names []string
		for _, f := range s.Stack {
			names = append(names, f.Function)
		}
		out = append(out, fmt.Sprint(s.Values[0], " ", strings.Join(names, " < ")))
	}
	return out
}

// The texts in testdata were recorded by bpftrace 0.17 and perf 6.1 on Linux 6.18,
// of one program of Go 1.26 with four goroutines that call main.(*Store).Update.
func TestRecorded(t *testing.T) {
	const below = "main.main.func1 < sync.(*WaitGroup).Go.func1 < runtime.goexit"
	for name, want := range map[string][]string{
		"mapassign.bt":        {"calls", "41075 runtime.mapassign_faststr < " + below},
		"mapassign-caller.bt": {"calls", "36940 runtime.mapassign_faststr < main.(*Store).Update < " + below},
		"lock.bt":             {"calls", "4875 internal/sync.runtime_SemacquireMutex < main.(*Store).Update < " + below},
		"rehash.bt":           {"calls", "1722 internal/runtime/maps.(*table).rehash < main.(*Store).Update < " + below},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			p := read(string(text))
			if diff := cmp.Diff(want, show(p)); diff != "" {
				t.Error(diff)
			}
			// Who calls a probed function is in no stack caught at its entry, unless asked
			// for; where that is the runtime, nobody misses it.
			asked := name != "mapassign.bt"
			if missing := len(p.Problems) == 1 && strings.Contains(p.Problems[0].String(), "direct caller is missing"); missing == asked {
				t.Errorf("problems: %q", p.Problems)
			}
		})
	}
	for name, want := range map[string]int64{"perf.folded": 554, "perf.script": 12} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		p := read(string(text))
		if p == nil {
			t.Fatalf("%s: not read", name)
		}
		if p.Columns[0].Name != Samples || p.Total(0) != want || len(p.Problems) > 0 {
			t.Errorf("%s: %d %s, problems %q, want %d samples", name, p.Total(0), p.Columns[0].Name, p.Problems, want)
		}
		for _, s := range p.Samples {
			for _, f := range s.Stack {
				if f.Function == "shop" || strings.HasSuffix(f.Function, ".abi0") || strings.Contains(f.Function, "+0x") {
					t.Errorf("%s: a frame is called %q", name, f.Function)
				}
			}
		}
	}
}

func TestShapes(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"kernel and user stack in one key", "@[\n    vfs_read+142\n,\n    syscall.read+27\n    main.load+9\n, app]: 3\n@[\n    vfs_read+7\n,\n    syscall.read+27\n    runtime.main+9\n, app]: 1\n",
			[]string{"samples", "3 vfs_read < syscall.read < main.load", "1 vfs_read < syscall.read < runtime.main"}},
		{"caller and command before the stack", "@calls[app, main.put, \n    runtime.mapassign+0\n    main.main+9\n]: 7\n",
			[]string{"calls", "7 runtime.mapassign < main.put < main.main"}},
		{"the kernel has found the caller itself", "@[\n    runtime.mapassign+0\n    main.put+20\n    main.main+9\n, main.put]: 7\n",
			[]string{"calls", "7 runtime.mapassign < main.put < main.main"}},
		{"addresses alone", "@[\n    0x40fd60\n    runtime.goexit+1\n]: 2\n@[\n    0x40fd61\n]: 2\n",
			[]string{"samples", "2 runtime.goexit", "2 "}},
		{"a histogram is no count", "@[\n    runtime.mapassign+0\n    main.main+9\n]:\n[1]    3 |@@@@|\n", nil},
		{"the last stack is cut off", "@[\n    runtime.mapassign+0\n    main.main+9\n]: 4\n@[\n    runtime.mapassign+0\n",
			[]string{"calls", "4 runtime.mapassign < main.main"}},
		{"collapsed, without a command", "runtime.goexit;main.main;runtime.mallocgc 3\nruntime.goexit;main.main;runtime.mallocgc;[unknown] 2\n",
			[]string{"samples", "5 runtime.mallocgc < main.main < runtime.goexit"}},
		{"collapsed, of several commands", "nginx;main;ngx_worker;read_[k] 9\nweb;runtime.goexit.abi0;main.f;runtime.mallocgc+0x12 3\nweb;runtime.goexit.abi0;main.f;runtime.mallocgc+0x44 3\n",
			[]string{"samples", "6 runtime.mallocgc < main.f < runtime.goexit"}},
		{"generic functions", "app;runtime.goexit;main.(*Cache[go.shape.struct { A int }]).Put;runtime.mapassign 5\n",
			[]string{"calls", "5 runtime.mapassign < main.(*Cache[go.shape.struct { A int }]).Put < runtime.goexit"}},
		{"events of perf that are not CPU", "app 12 [000] 1.000001: 1 page-faults: \n\t4 runtime.memmove+0x4 (/app)\n\t5 main.f+0x1 (/app)\n\n",
			[]string{"events", "1 runtime.memmove < main.f"}},
		{"a probe of perf", "app 12/13 1.000001: probe_app:mapassign: (40fd60)\n", nil},

		// None of these is a count of stacks.
		{"one line in a log", "2026-01-02 start\nruntime.main;main.main 3\nstopped a;b 3\nok\nok\n", nil},
		{"a log of lists", "a;b 3\nc;d 4\ne;f 5\n", nil},
		{"settings", "path=/usr/bin;/bin 1\nruntime.x=1;main.y 2\n", nil},
		{"other languages", "java;start_thread;org/foo/Bar:.run 12\npython;module.py:handler;json.dumps 3\n", nil},
		{"a table of CSV", "2026-01-02;main.go;12 4\nx;runtime;1 5\n", nil},
		{"a dump", "goroutine 1 [running]:\nmain.main()\n\t/app/main.go:3 +0x1d\n", nil},
		{"an address in brackets", "@[fe80::1]: 3\n@x[\n not a frame\n]: 3\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, show(read(tt.text))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A text of any size that is no stacks costs no memory to speak of.
func TestOtherTextIsLetGo(t *testing.T) {
	var r Reader
	for i := range 100_000 {
		r.Line(fmt.Appendf(nil, "request %d served; took %d", i, i))
	}
	if len(r.lines.stacks) > 0 || r.lines.index != nil || r.Close() != nil {
		t.Errorf("%d stacks kept of a log", len(r.lines.stacks))
	}
}

func TestBounds(t *testing.T) {
	const lines = 20_000
	memory := bound.NewMemory(8 << 20).Account()
	r := Reader{Memory: memory}
	for i := range lines {
		r.Line(fmt.Appendf(nil, "runtime.main;main.f%d 9223372036854775807", i))
	}
	p := r.Close()
	if n := len(p.Samples); n < 1000 || n >= lines || p.Total(0) < 0 || len(p.Problems) != 1 || !strings.Contains(p.Problems[0].String(), "; --memory ") {
		t.Errorf("%d samples, sum %d, problems %q", len(p.Samples), p.Total(0), p.Problems)
	}
}

func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text[:min(len(text), 2000)])
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var r Reader
		for line := range bytes.Lines(text) {
			r.Line(bytes.TrimRight(line, "\r\n"))
		}
		p := r.Close()
		if p == nil {
			return
		}
		if len(p.Samples) == 0 || len(p.Columns) != 1 || p.Total(0) < 0 {
			t.Fatalf("%d samples, %d columns, sum %d", len(p.Samples), len(p.Columns), p.Total(0))
		}
		for _, s := range p.Samples {
			for _, f := range s.Stack {
				if f.Function == "" {
					t.Fatal("a frame without a name")
				}
			}
		}
	})
}
