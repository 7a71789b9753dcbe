package crashes_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/detect"
	. "inquest/analyze/detect/crashes"
	"inquest/analyze/detect/locks"
	"inquest/analyze/detect/processor"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/pprofile"
)

// TestRecordedTimeouts judges tests that really ran out of time, see testdata/timeouts: one release that prints
// who created a goroutine and one that does not.
func TestRecordedTimeouts(t *testing.T) {
	const shop = "example.com/shop."
	for name, want := range map[string]struct{ site, variant, says string }{
		"chan":        {shop + "TestChan", "channel", "TestChan did not end within 1 s"},
		"chanpartner": {shop + "TestChanPartner", "channel", "which it started, waits to receive from a channel"},
		"cleanup":     {shop + "TestCleanup", "channel", "TestCleanup did not end"},
		"cycle":       {shop + "TestCycle", "wait-group", "it started 2 goroutines that are left"},
		"held":        {shop + "(*store).get", "lock", "which it started, waits to receive from a channel in example.com/shop.TestHeld"},
		"loop":        {shop + "TestLoop", "running", "runs in"},
		"net":         {shop + "TestNet", "network", "waits for input or output"},
		"parallel":    {shop + "TestParallel", "channel", "TestParallel/two did not end"},
		"self":        {shop + "(*store).get", "self-lock", "called by example.com/shop.(*store).update"},
		"sleep":       {shop + "TestSleep", "sleep", "sleeps in"},
		"sub":         {shop + "TestSub", "channel", "TestSub/two did not end"},
		"table":       {shop + "worker", "channel", "TestTable/worker did not end"},
		"bench":       {shop + "BenchmarkStuck", "channel", "BenchmarkStuck did not end within 61 s"},
		"example":     {shop + "Example_stuck", "channel", "Example_stuck did not end"},
		"fuzz":        {shop + "FuzzStuck", "channel", "FuzzStuck"},
		"after":       {shop + "waitForDatabase", "setup", "with no test running"},
		"json":        {shop + "(*store).get", "self-lock", "TestSelf did not end"},
		"parab":       {shop + "TestParA", "channel", "TestParA did not end"},
	} {
		files, _ := filepath.Glob("testdata/timeouts/go1.*-" + name + ".txt")
		if len(files) < 2 {
			t.Errorf("%s: %d recordings", name, len(files))
		}
		for _, file := range files {
			b, err := evidence.Open(context.Background(), []string{file}, evidence.Options{})
			if err != nil {
				t.Fatal(err)
			}
			res, err := analyze.Run(b, detect.All, analyze.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var f *claim.Finding
			for i := range res.Findings {
				if res.Findings[i].Detector == TestTimeout.ID {
					f = &res.Findings[i]
					break
				}
			}
			if f == nil {
				t.Errorf("%s: not found", file)
				continue
			}
			if f.Site.Function != want.site || f.Variant != want.variant || !strings.Contains(f.Summary.String(), want.says) {
				t.Errorf("%s: %s, %s: %s", file, f.Site.Function, f.Variant, f.Summary)
			}
			if len(res.Chains) == 0 || strings.Contains(f.Summary.String(), "startAlarm") {
				t.Errorf("%s: the alarm is blamed: %s", file, f.Summary)
			}
		}
	}
}

// timedOut is a log in which a test ran out of time, with one goroutine of a test.
func timedOut(limit time.Duration, running ...dump.RunningTest) *evidence.Exhibit {
	d := &dump.Dump{Origin: "panic", Goroutines: []dump.Goroutine{
		{ID: 6, State: "running", Frames: goFrames("testing.(*M).startAlarm.func1")},
		{ID: 1, State: "chan receive", Frames: goFrames("testing.(*T).Run", "testing.tRunner", "main.main")},
		{ID: 7, State: "sleep", Frames: goFrames("time.Sleep", "shop.wait", "shop.TestPay", "testing.tRunner")},
	}}
	c := Died(dump.TestTimeout, "test timed out after "+limit.String(), "testing.(*M).startAlarm.func1")
	c.Timeout = &dump.Timeout{Limit: limit, Running: running, Listed: running != nil, Dump: d}
	return Crashed(c)
}

func goFrames(names ...string) (out []dump.Frame) {
	for _, f := range Frames(names...) {
		out = append(out, dump.Frame{Frame: *f})
	}
	return out
}

func TestTestTimeout(t *testing.T) {
	pay := func(d time.Duration) dump.RunningTest { return dump.RunningTest{Name: "TestPay", Elapsed: d} }
	alone := timedOut(time.Minute, pay(time.Minute))
	alone.Crashes()[0].Timeout.Dump.Goroutines = alone.Crashes()[0].Timeout.Dump.Goroutines[:1]
	// What is left of older dumps, which list no tests: the test that waits for a subtest, or nothing.
	parent, nobody, begun, quit := timedOut(time.Minute), timedOut(time.Minute), timedOut(time.Minute), timedOut(0)
	parent.Crashes()[0].Timeout.Dump.Goroutines[2] = dump.Goroutine{ID: 7, State: "chan receive", Frames: goFrames("testing.(*T).Run", "shop.TestPay")}
	nobody.Crashes()[0].Timeout.Dump.Goroutines = nobody.Crashes()[0].Timeout.Dump.Goroutines[:2]
	begun.Crashes()[0].Timeout.Dump.Goroutines, begun.Crashes()[0].Timeout.Begun = nobody.Crashes()[0].Timeout.Dump.Goroutines, []string{"TestPay"}
	for name, c := range map[string]struct {
		e    *evidence.Exhibit
		says string
	}{
		"a parent":        {parent, "a subtest of TestPay did not end within 60 s; its goroutine is not in the log, that of shop.TestPay waits for it"},
		"nobody":          {nobody, "no goroutine of a test is in the log"},
		"a test begun":    {begun, "TestPay did not end within 60 s; its goroutine is not in the log"},
		"stopped by hand": {quit, "TestPay had not ended when SIGQUIT stopped the tests; its goroutine 7 sleeps in shop.wait"},
	} {
		if s := Judge(t, TestTimeout, c.e).All.Findings[0].Summary; !strings.Contains(s.String(), c.says) {
			t.Errorf("%s: %s", name, s)
		}
	}
	ExpectAll(t, TestTimeout, []Expect{
		{"all of the time", Of(timedOut(time.Minute, pay(time.Minute))), "found", "critical shop.wait"},
		{"half of the time", Of(timedOut(time.Minute, pay(30*time.Second))), "found", "critical shop.wait"},
		{"less than half", Of(timedOut(time.Minute, pay(29*time.Second))), "found", "warning shop.wait"},
		{"no list", Of(timedOut(time.Minute)), "found", "critical shop.wait"},
		{"a parent and its subtest", Of(timedOut(time.Minute, pay(time.Minute), dump.RunningTest{Name: "TestPay/card", Elapsed: time.Minute})), "found", "critical shop.wait"},
		{"goroutines cut off", Of(alone), "found", "critical"},
		{"another crash", Of(Crashed(Died(dump.NilDereference, "runtime error: ...", "main.f"))), "undecided", ""},
		{"no log", Of(Procs()), "skipped", ""},
	})
	j := Judge(t, TestTimeout, timedOut(time.Minute, pay(29*time.Second)))
	if s := j.All.Findings[0].Summary; !strings.Contains(s.String(), "as a whole") || j.All.Findings[0].Variant != "slow-suite" {
		t.Errorf("a suite that is slow as a whole: %s", s)
	}
}

// TestPastes judges what people paste: lists of leak checkers and the text of pprof.
func TestPastes(t *testing.T) {
	for name, c := range map[string]struct{ text, want, says string }{
		"goleak": {"found unexpected goroutines:\n[Goroutine 708 in state select, with net/http.(*persistConn).writeLoop on top of the stack:\nnet/http.(*persistConn).writeLoop(0xc0020ff8c0)\n\t/usr/local/go/src/net/http/transport.go:2421 +0xe5\n" +
			"created by net/http.(*Transport).dialConn in goroutine 703\n\t/usr/local/go/src/net/http/transport.go:1777 +0x16f1\n]\n", "warning goroutine-leak net/http.(*persistConn).writeLoop", "leak checker of the tests reports 1 goroutine"},
		"stack lost":                    {"fatal error: runtime: out of memory\n\nruntime stack:\nruntime.throw(0x1, 0x16)\n\t/usr/local/go/src/runtime/panic.go:617 +0x72\n", "critical crash ", "a place that was not logged"},
		"the other side of a race lost": {"WARNING: DATA RACE\nRead at 0x00c0011cc140 by goroutine 1509:\n  shop.(*cart).total()\n      /src/cart.go:50 +0x11b\n", "warning data-race shop.(*cart).total", "that a place whose stack was lost writes"},
		"no thread, by an emulator":     {"runtime: failed to create new OS thread (have 2 already; errno=22)\nfatal error: newosproc\n", "critical crash ", "refused the program a new thread when it had 2: it does not know"},
		"no thread, by a limit":         {"runtime: failed to create new OS thread (have 5 already; errno=11)\nfatal error: newosproc\n", "critical crash ", "refused the program a new thread when it had 5: its limit"},
		"go-deadlock":                   {"POTENTIAL DEADLOCK:\nPrevious place where the lock was grabbed\ngoroutine 15 lock 0xc00048e7d0\nshop/cart.go:48 shop.(*cart).total ??? <<<<<\n", "critical crash shop.(*cart).total", "waited too long for a lock that is held in shop.(*cart).total"},
		"handler": {"E0325 22:39:20.622081    9913 report.go:79] Observed a panic: \"invalid\" (runtime error: invalid memory address or nil pointer dereference)\ngoroutine 344 [running]:\nmain.report({0x1})\n\t/src/report.go:75 +0xb4\n" +
			"panic({0x1})\n\t/go/src/runtime/panic.go:1038 +0x25b\nmain.(*sync).run(0x1)\n\t/src/sync.go:50 +0x2b5\n", "warning crash main.(*sync).run", "(main.report) logged the panic, and what became of the process is not in the log"},
	} {
		file := filepath.Join(t.TempDir(), "paste.txt")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := evidence.Open(context.Background(), []string{file}, evidence.Options{})
		if err != nil {
			t.Fatal(err)
		}
		res, err := analyze.Run(b, detect.All, analyze.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Findings) != 1 {
			t.Errorf("%s: %d findings", name, len(res.Findings))
			continue
		}
		f := res.Findings[0]
		if got := f.Severity.String() + " " + f.Detector + " " + f.Site.Function; got != c.want || !strings.Contains(f.Summary.String(), c.says) {
			t.Errorf("%s: %s: %s", name, got, f.Summary)
		}
	}
}

// TestLockOfManyMethods holds site and number to the same stacks where a lock is used in several methods.
func TestLockOfManyMethods(t *testing.T) {
	p := &pprofile.Profile{Kind: "cpu", Columns: []pprofile.Column{{Name: "samples", Unit: "count"}, {Name: "cpu", Unit: "nanoseconds"}}, Duration: 10 * time.Second}
	add := func(n int64, names ...string) {
		p.Samples = append(p.Samples, pprofile.Sample{Stack: Frames(names...), Values: []int64{n, n * 1e7}})
	}
	add(125, "sync.(*RWMutex).RLock", "main.(*pool).intern", "main.loop")
	add(190, "sync.(*RWMutex).RLock", "main.(*pool).release", "main.loop")
	add(685, "main.loop")
	e := &evidence.Exhibit{Path: "cpu.pb.gz", Kind: evidence.CPU, Coverage: evidence.Whole, Content: p}
	f := Judge(t, locks.MutexHotspot, e).All.Findings[0]
	if f.Site.Function != "main.(*pool).release" || f.Evidence[0].Value.Number != 0.19 || !strings.Contains(f.Summary.String(), "the lock of main.(*pool): 19 % in main.(*pool).release, 12.5 % in main.(*pool).intern") {
		t.Errorf("%s, %v: %s", f.Site.Function, f.Evidence[0].Value, f.Summary)
	}
	for _, f := range Judge(t, processor.CPUHotspot, e).All.Findings {
		if strings.Contains(f.Summary.String(), "of its processors") || !strings.Contains(f.Summary.String(), "keeps 1 processor busy") {
			t.Errorf("an unknown GOMAXPROCS: %s", f.Summary)
		}
	}
}
