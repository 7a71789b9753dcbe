package detect

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"inquest/analyze"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/dump"
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
			res, err := analyze.Run(b, All, analyze.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var f *analyze.Finding
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
			if f.Site.Function != want.site || f.Variant != want.variant || !strings.Contains(f.Summary, want.says) {
				t.Errorf("%s: %s, %s: %s", file, f.Site.Function, f.Variant, f.Summary)
			}
			if len(res.Chains) == 0 || strings.Contains(f.Summary, "startAlarm") {
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
	c := died(dump.TestTimeout, "test timed out after "+limit.String(), "testing.(*M).startAlarm.func1")
	c.Timeout = &dump.Timeout{Limit: limit, Running: running, Listed: running != nil, Dump: d}
	return crashed(c)
}

func goFrames(names ...string) (out []dump.Frame) {
	for _, f := range frames(names...) {
		out = append(out, dump.Frame{Frame: f})
	}
	return out
}

func TestTestTimeout(t *testing.T) {
	pay := func(d time.Duration) dump.RunningTest { return dump.RunningTest{Name: "TestPay", Elapsed: d} }
	alone := timedOut(time.Minute, pay(time.Minute))
	alone.Crashes[0].Timeout.Dump.Goroutines = alone.Crashes[0].Timeout.Dump.Goroutines[:1]
	expectAll(t, TestTimeout, []expect{
		{"all of the time", of(timedOut(time.Minute, pay(time.Minute))), "found", "critical shop.wait"},
		{"half of the time", of(timedOut(time.Minute, pay(30*time.Second))), "found", "critical shop.wait"},
		{"less than half", of(timedOut(time.Minute, pay(29*time.Second))), "found", "warning shop.wait"},
		{"no list", of(timedOut(time.Minute)), "found", "critical shop.wait"},
		{"a parent and its subtest", of(timedOut(time.Minute, pay(time.Minute), dump.RunningTest{Name: "TestPay/card", Elapsed: time.Minute})), "found", "critical shop.wait"},
		{"goroutines cut off", of(alone), "found", "critical"},
		{"another crash", of(crashed(died(dump.NilDereference, "runtime error: ...", "main.f"))), "undecided", ""},
		{"no log", of(procs()), "skipped", ""},
	})
	j := judge(t, TestTimeout, timedOut(time.Minute, pay(29*time.Second)))
	if s := j.all.Findings[0].Summary; !strings.Contains(s, "as a whole") || j.all.Findings[0].Variant != "slow-suite" {
		t.Errorf("a suite that is slow as a whole: %s", s)
	}
}
