package dump

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestLoneCrashes reads crashes of which no goroutine was logged, or whose header was cut off.
func TestLoneCrashes(t *testing.T) {
	const runtimeStack = "\n\nruntime stack:\nruntime.throw(0x1, 0x16)\n\t/usr/local/go/src/runtime/panic.go:617 +0x72\nruntime.sysMap(0x1)\n\t/usr/local/go/src/runtime/mem_linux.go:170 +0xc7\n"
	oneCrash(t, map[string]string{
		"fatal error: runtime: out of memory" + runtimeStack: "out of memory at  x1",
		"runtime: goroutine stack exceeds 1000000000-byte limit\nruntime: sp=0x1 stack=[0x1, 0x2]\nfatal error: stack overflow" + runtimeStack:                                    "stack overflow at  x1",
		"runtime: goroutine stack exceeds 1000000000-byte limit\n":                                                                                                                "stack overflow at  x1",
		"2026-01-02 03:05:06 shopd: fatal error: sync: unlock of unlocked mutex\n":                                                                                                "unlock of an unlocked lock at  x1",
		"fatal error: all goroutines are asleep - deadlock!":                                                                                                                      "deadlock at  x1",
		"Jan  2 03:04:05 host shopd[12]: fatal error: concurrent map writes\n":                                                                                                    "concurrent map access at  x1",
		"2026-01-02T03:04:05.1Z stderr F fatal error: concurrent map writes\nnext\n":                                                                                              "concurrent map access at  x1",
		"web_1  | fatal error: stack overflow\nweb_1 exited with code 2\n":                                                                                                        "stack overflow at  x1",
		`{"log":"fatal error: concurrent map writes\n","stream":"stderr"}`:                                                                                                        "concurrent map access at  x1",
		"runtime: failed to create new OS thread (have 9 already; errno=11)\nruntime: may need to increase max user processes (ulimit -u)\nfatal error: newosproc" + runtimeStack: "thread exhaustion at  x1",
		"runtime/cgo: pthread_create failed: Resource temporarily unavailable\nSIGABRT: abort\nPC=0x7f1 m=3 sigcode=18446744073709551610\n\ngoroutine 0 [idle]:\n":                "thread exhaustion at  x1",
		"panic: send on closed channel\n":                                                                           "send on a closed channel at  x1, untold",
		"panic: out of stock\nexit status 2\n":                                                                      "panic at  x1, exit 2",
		"panic: out of stock\n\ngoroutine 7 [running]:\n":                                                           "panic at  x1",
		"panic: out of stock\n\ngoroutine 7 [runn":                                                                  "panic at  x1",
		"panic: out of stock [recovered]\n\tpanic: out of stock\n":                                                  "panic at  x1",
		"panic: out of stock\nmain.(*shop).sell(0x1)\n\t/src/shop.go:7 +0x1d\nmain.main()\n\t/src/main.go:3 +0x1\n": "panic at main.(*shop).sell x1",
		"panic: runtime error: invalid memory address or nil pointer dereference\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x1]\n": "nil dereference at  x1",
		"2026/01/02 03:04:05 http: panic serving 127.0.0.1:1: boom\n":                                                                                  "panic at  x1, lived",
		"[signal SIGSEGV: segmentation violation code=0x1 addr=0x18 pc=0x1]\n\ngoroutine 7 [running]:\nmain.f()\n\t/a.go:1 +0x1\n":                     "nil dereference at main.f x1",
		"runtime: out of memory: cannot allocate 8388608-byte block (586743808 in use)\nfatal error: out of memory\n" +
			"SCHED 1646ms: gomaxprocs=2 idleprocs=1 threads=5 spinningthreads=0 needspinning=0 idlethreads=1 runqueue=0 gcwaiting=false nmidlelocked=0 stopwait=0 sysmonwait=false\n" +
			"  P0: status=1 schedtick=165 syscalltick=148 m=3 runqsize=0 gfreecnt=2 timerslen=0\n  M4: p=nil curg=nil mallocing=0 throwing=0 preemptoff= locks=0 dying=0 spinning=false blocked=true lockedg=nil\n" +
			strings.Repeat("  G7: status=4(IO wait) m=nil lockedm=nil\n", 90) + "\ngoroutine 1 gp=0xb3ee1384f00 m=3 mp=0xb3ee1319008 [running]:\nmain.f()\n\t/a.go:1 +0x1 fp=0xb3ee1431768 sp=0xb3ee1431738 pc=0x487988\n": "out of memory at main.f x1",
		"fatal error: unexpected return pc for main.f called from 0x0\nstack: frame={sp:0x1, fp:0x2} stack=[0x1,0x2)\n" +
			strings.Repeat("0x000000c000045e80:  0x0000000000000000  0x00000000004523a1 <main.f+0x0000000000000021> \n", 300) +
			"\ngoroutine 1 [running]:\nmain.f()\n\t/a.go:1 +0x1\n": "fatal error at main.f x1",
		"2026/01/02 03:04:05 [Recovery] 2026/01/02 - 03:04:05 panic recovered:\nGET /seats HTTP/1.1\nHost: a\n\nruntime error: index out of range [3] with length 3\n" +
			"/usr/local/go/src/runtime/panic.go:88 (0x4362e4)\n\tgoPanicIndex: panic(boundsError{x: int64(x)})\n/src/shop/seats.go:31 (0x8b0c6d)\n\t(*List).Seat: return l.all[n]\n" +
			"/root/go/pkg/mod/github.com/gin-gonic/gin@v1.9.1/context.go:174 (0x8aa9a1)\n\t(*Context).Next: c.handlers[c.index](c)\n": "index out of range at shop.(*List).Seat x1, lived",
		"runtime: goroutine stack exceeds 1000000000-byte limit\nfatal error: stack overflow\nruntime stack:\nruntime.throw(0x1, 0xe)\nshop.(*cart).total(0xc0)\nshop/cart.go:7 +0x41 fp=0x1 sp=0x1 pc=0x1\n":                                                          "stack overflow at shop.(*cart).total x1",
		"error: unexpected signal\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x7fff823874cc]\n\ngoroutine 1 [syscall]:\nruntime.cgocall(0x1)\n\t/go/src/runtime/cgocall.go:131 +0x1\nmain._Cfunc_tap()\n\t??:0 +0x1\nmain.tap()\n\t/a.go:4 +0x1\n":  "signal at main.tap x1",
		"done 3 of 9  SIGABRT: abort\nPC=0x501dd42 m=3\nsignal arrived during cgo execution\n\ngoroutine 6 [syscall]:\nruntime.cgocall(0x1)\n\t/go/src/runtime/cgocall.go:131 +0x1\nmain.tap()\n\t/a.go:4 +0x1\n":                                                      "signal at main.tap x1",
		"SIGSEGV: segmentation violation\nPC=0x7f1 m=3 sigcode=1\n\ngoroutine 6 [syscall]:\nruntime.cgocall(0x1)\n\t/go/src/runtime/cgocall.go:131 +0x1\nmain.tap(0x1)\n\t/a.":                                                                                         "signal at main.tap x1",
		"runtime: VirtualAlloc of 1048576 bytes failed with errno=1455\nfatal error: runtime: cannot map pages in arena address space" + runtimeStack:                                                                                                                  "out of memory at  x1",
		"# http: panic serving 127.0.0.1:1: boom goroutine 6\n\nIt fails with this stack:\n[running]:\nnet/http.func·009()\n    /go/src/net/http/server.go:1093 +0xae\nruntime.panic(0x1)\n    /go/src/runtime/panic.c:248 +0x1\nmain.f()\n    /a.go:1 +0x1\n":         "panic at main.f x1, lived",
		"2026/01/02 03:04:05 http: panic serving 127.0.0.1:1: boom\ngoroutine 146 [running]:\nnet/http.(*conn).serve.func1()\n\t/go/src/net/http/server.go:1850 +0xb0\npanic({0x1, 0x2})\n```\n":                                                                       "panic at  x1, lived",
		"panic: boom\n\nruntime.panic+0xac /go/src/pkg/runtime/proc.c:1060\n\truntime.panic(0x1)\nshop%2ecom/chat.*Conn·Raw+0x3d /src/chat.go:14\n\tshop%2ecom/chat.*Conn·Raw(0x1)\n":                                                                                  "panic at shop.com/chat.*Conn·Raw x1",
		"E0403 09:26:35.512103    9519 runtime.go:69] Observed a panic: \"boom\" (runtime error: index out of range)\n/src/k8s.io/x/vendor/k8s.io/apimachinery/pkg/util/runtime/runtime.go:76\n/go/src/runtime/panic.go:522\n/src/shop/vendor/a.b/seats/seats.go:31\n": "index out of range at a.b/seats/seats.go x1, untold",
		"Apr 03 09:26:35 host kubelet[9519]: E0403 09:26:35.512103    9519 runtime.go:69] Observed a panic: boom\nApr 03 09:26:35 host kubelet[9519]: /go/src/runtime/panic.go:522\nApr 03 09:26:35 host kubelet[9519]: /src/seats/seats.go:31\n":                      "panic at seats/seats.go x1, untold",
		"panic recovered:\nboom\n/src/shop/seats.go:31 (0x8b0c6d)\n/src/shop/main.go:3 (0x8b0c6d)\n":                                                                                                                                                                   "panic at shop/seats.go x1, lived",
	})
	c := read(t, "fatal error: runtime: out of memory"+runtimeStack).Crashes[0]
	if len(c.Runtime) != 2 || len(c.Stack) != 0 || c.Goroutine != 0 {
		t.Errorf("the runtime's own stack: %+v", c)
	}
}

// oneCrash holds each text to be one crash, of which says tells the words.
func oneCrash(t *testing.T, texts map[string]string) {
	t.Helper()
	for text, want := range texts {
		all := read(t, text).Crashes
		if len(all) != 1 || says(all[0]) != want {
			var got []string
			for _, c := range all {
				got = append(got, says(c))
			}
			t.Errorf("%.70q: %q, want %q", text, got, want)
		}
	}
}

// TestNoLoneCrash holds lines that speak of crashes of others, or of nothing, to be none.
func TestNoLoneCrash(t *testing.T) {
	for _, text := range []string{
		"the child said fatal error: stack overflow\n",
		"2026/01/02 03:04:05 worker failed: fatal error: stack overflow\n",
		"error: fatal error: concurrent map writes\n",
		`level=info msg="saw fatal error: concurrent map writes in build 7"` + "\n",
		`{"msg":"retrying after fatal error: stack overflow"}` + "\n",
		"cc1plus: fatal error: out of memory allocating 65536 bytes\n",
		"main.c:3:10: fatal error: foo.h: No such file or directory\n",
		"fatal error: the disk is full\n",
		"panic: we did not see that coming\n",
		"don't panic: all is well\n",
		"2026/01/02 03:04:05 kernel panic: not syncing\n",
		"SIGTERM: terminated, shutting down\n",
		"received SIGHUP: reloading\n",
		"runtime: 12ms\n",
		"How to read a panic: the first line is \"panic: runtime error: index out of range\"\n",
		"// fatal error: all goroutines are asleep - deadlock! is what the runtime prints\n",
		"--- FAIL: TestX (0.00s)\n    x_test.go:7: got panic: send on closed channel\n",
	} {
		if all := read(t, text).Crashes; len(all) > 0 {
			t.Errorf("%q is taken for a crash: %s", text, says(all[0]))
		}
	}
}

// TestFates tells what died from what a handler wrote down, and the first fault from the one that hid it.
func TestFates(t *testing.T) {
	const rest = "main.(*sync).run(0x1)\n\t/src/sync.go:50 +0x2b5\ncreated by main.main\n\t/src/main.go:12 +0x1a\n"
	oneCrash(t, map[string]string{
		"E0325 22:39:20.622081    9913 report.go:79] Observed a panic: \"invalid\" (runtime error: invalid memory address or nil pointer dereference)\n" +
			"goroutine 344 [running]:\nmain.report({0x1})\n\t/src/report.go:75 +0xb4\npanic({0x1})\n\t/go/src/runtime/panic.go:1038 +0x25b\n" + rest: "nil dereference at main.(*sync).run x1, untold",
		"panic: boom\n\ngoroutine 1 [running]:\npanic({0x1})\n\truntime/panic.go:1 +0x1\n" + rest:                                                        "panic at main.(*sync).run x1",
		"panic: a [recovered]\n\tpanic: b\n\ngoroutine 1 [running]:\nmain.run.func1()\n\t/a.go:1 +0x1\npanic({0x1})\n\truntime/panic.go:1 +0x1\n" + rest: "panic at main.(*sync).run x1",
		"fatal error: sync: unlock of unlocked mutex\n[signal SIGSEGV: segmentation violation code=0x2 addr=0x18 pc=0x1]\n\ngoroutine 1 [running]:\nsync.fatal({0x1?})\n\t/go/src/runtime/panic.go:1031 +0x20\n" +
			"sync.(*Mutex).Unlock(...)\n\t/go/src/sync/mutex.go:223\npanic({0x1?})\n\t/go/src/runtime/panic.go:785 +0x124\n" + rest: "nil dereference at main.(*sync).run x1",
		"fatal error: unexpected signal during runtime execution\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x7f2e4f83a501]\n\nruntime stack:\nruntime.throw({0x1})\n\t/go/src/runtime/panic.go:1 +0x1\n\n" +
			"goroutine 117 [syscall]:\nruntime.cgocall(0x1)\n\t/go/src/runtime/cgocall.go:157 +0x5c\nmain._Cfunc_encode(0x1)\n\t_cgo_gotypes.go:112 +0x4d\nmain.(*codec).encode(0x1)\n\t/src/codec.go:44 +0x6b\n": "signal at main.(*codec).encode x1",
		"fatal error: unexpected signal during runtime execution\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x99999 pc=0x45a501]\n\ngoroutine 7 [running]:\nruntime.throw({0x1})\n\t/go/src/runtime/panic.go:1 +0x1\nruntime.scanobject()\n\t/go/src/runtime/mgcmark.go:1 +0x1\n" + rest: "memory corruption at main.(*sync).run x1",
		"unexpected fault address 0x7f15b6c75000\nfatal error: fault\n[signal SIGBUS: bus error code=0x2 addr=0x7f15b6c75000 pc=0x472db2]\n\ngoroutine 61 [running]:\nruntime.memmove(0x1)\n\t/go/src/runtime/memmove_amd64.s:241 +0x272\n" + rest:                                                   "bus error at main.(*sync).run x1",
		"unexpected fault address 0x7f15b6c75000\nfatal error: fault\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x7f15b6c75000 pc=0x472db2]\n\ngoroutine 61 [running]:\nruntime.memmove(0x1)\n\t/go/src/runtime/memmove_amd64.s:241 +0x272\n" + rest:                                     "memory corruption at main.(*sync).run x1",
		"fatal error: thread exhaustion\n\ngoroutine 1 gp=0x1 m=nil [sleep]:\nmain.main()\n\t/a.go:6 +0xb3\n\n" +
			"goroutine 18 gp=0x2 m=5 mp=0x1 [syscall]:\nsyscall.Syscall(0x0)\n\t/go/src/syscall/syscall_linux.go:74 +0x25\nmain.block(0x3)\n\t/a.go:3 +0x4f\n\n" +
			"goroutine 19 gp=0x2 m=5 mp=0x1 [syscall]:\nsyscall.Syscall(0x0)\n\t/go/src/syscall/syscall_linux.go:74 +0x25\nmain.block(0x3)\n\t/a.go:3 +0x4f\n": "thread exhaustion at main.block x1",
		"fatal error: thread exhaustion\n\ngoroutine 1 gp=0x1 m=nil [sleep]:\nmain.main()\n\t/a.go:6 +0xb3\n":                                                          "thread exhaustion at  x1",
		"panic: runtime error: index out of range\n\ngoroutine 8956 [running]:\nmain.func·028(0x1)\n\t/src/list.go:84 +0xfc\nmain.main()\n\t/src/main.go:187 +0x917\n": "index out of range at main.func·028 x1",
	})
}

// TestTimeouts reads what package testing and the go command say about tests that took too long.
func TestTimeouts(t *testing.T) {
	const alarm = "\ngoroutine 6 [running]:\ntesting.(*M).startAlarm.func1()\n\t/go/src/testing/testing.go:2802 +0x354\n\ngoroutine 1 [chan receive]:\ntesting.(*T).Run(0x1)\n\t/go/src/testing/testing.go:1 +0x1\n"
	many := "panic: test timed out after 1m30s\n\trunning tests:\n"
	for i := range 60 {
		many += "\t\tTestMany/n" + strings.Repeat("x", i) + " (1m30s)\n"
	}
	for name, c := range map[string]struct {
		text  string
		limit time.Duration
		n     int
		first RunningTest
	}{
		"one":          {"panic: test timed out after 3s\n\trunning tests:\n\t\tTestUpdate (3s)\n" + alarm, 3 * time.Second, 1, RunningTest{"TestUpdate", 3 * time.Second}},
		"old":          {"panic: test timed out after 10m0s\n" + alarm, 10 * time.Minute, 0, RunningTest{}},
		"many":         {many + alarm, 90 * time.Second, 60, RunningTest{"TestMany/n", 90 * time.Second}},
		"quoted":       {"> panic: test timed out after 3s\n> \trunning tests:\n> \t\tTestUpdate (3s)\n> \n" + strings.ReplaceAll("> "+alarm, "\n", "\n> "), 3 * time.Second, 1, RunningTest{"TestUpdate", 3 * time.Second}},
		"doubled":      {strings.ReplaceAll("panic: test timed out after 3s\n\trunning tests:\n\t\tTestUpdate (3s)\n"+alarm, "\n", "\n\n"), 3 * time.Second, 1, RunningTest{"TestUpdate", 3 * time.Second}},
		"killed":       {"SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n" + alarm + "\nrax    0x0\n*** Test killed with quit: ran too long (11m0s).\nFAIL\tshop\t660.0s\n", 11 * time.Minute, 0, RunningTest{}},
		"no goroutine": {"panic: test timed out after 3s\n\trunning tests:\n\t\tTestUpdate (3s)\n\nFAIL\tshop\t3.0s\n", 3 * time.Second, 1, RunningTest{"TestUpdate", 3 * time.Second}},
		"test2json": {`{"Action":"output","Package":"shop","Test":"TestUpdate","Output":"panic: test timed out after 3s\n"}` + "\n" +
			`{"Action":"output","Package":"shop","Test":"TestUpdate","Output":"\trunning tests:\n"}` + "\n" + `{"Action":"output","Package":"shop","Test":"TestUpdate","Output":"\t\tTestUpdate (3s)\n"}` + "\n" +
			`{"Action":"output","Package":"shop","Test":"TestUpdate","Output":"` + strings.ReplaceAll(strings.ReplaceAll(strings.TrimSuffix(alarm, "\n"), "\t", `\t`), "\n", `\n"}`+"\n"+`{"Action":"output","Package":"shop","Test":"TestUpdate","Output":"`) + `\n"}` + "\n",
			3 * time.Second, 1, RunningTest{"TestUpdate", 3 * time.Second}},
	} {
		all := read(t, c.text).Crashes
		if len(all) != 1 || all[0].Timeout == nil {
			t.Errorf("%s: %d crashes", name, len(all))
			continue
		}
		got := all[0].Timeout
		first := RunningTest{}
		if len(got.Running) > 0 {
			first = got.Running[0]
		}
		if diff := cmp.Diff(c.first, first); diff != "" || got.Limit != c.limit || len(got.Running) != c.n {
			t.Errorf("%s: limit %v, %d running: %s", name, got.Limit, len(got.Running), diff)
		}
	}
}

// FuzzLone holds that no text makes the reader of messages fail or keep more than it says.
func FuzzLone(f *testing.F) {
	f.Add("fatal error: stack overflow\n\nruntime stack:\nruntime.throw(0x1)\n\t/a.go:1 +0x1\n")
	f.Add("panic: test timed out after 3s\n\trunning tests:\n\t\tTestX (3s)\n")
	f.Add("panic recovered:\nboom\n/a.go:3 (0x1)\n\tf: x\n")
	f.Add(`{"log":"panic: send on closed channel\n"}` + "\n" + `{"log":"\n"}`)
	f.Add("runtime/cgo: pthread_create failed: x\nSIGABRT: abort\nPC=0x1\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range read(t, text).Crashes {
			if c.Class == "" || c.Count < 1 || c.Lines[0] < 1 || len(c.Message) > (maxMessage+2)*recentLength {
				t.Errorf("%+v", c)
			}
		}
	})
}
