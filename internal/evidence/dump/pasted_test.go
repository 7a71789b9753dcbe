package dump

import "testing"

// TestLeakCheckers holds what leak checkers of tests list apart from what the collector has proved.
func TestLeakCheckers(t *testing.T) {
	const stack = "main.wait(0x1)\n\t/src/a.go:5 +0x1\ncreated by main.start\n\t/src/a.go:2 +0x1\n"
	for name, text := range map[string]string{
		"the list's beginning cut off": " Goroutine 34240 in state select, with main.wait on top of the stack:\ngoroutine 34240 [select]:\n" + stack,
		"leaktest":                     "    leaktest.go:144: leaktest: leaked goroutine: goroutine 508 [select]:\n" + stack,
	} {
		dumps := read(t, text).Dumps
		if len(dumps) != 1 || dumps[0].Origin != "goleak" || len(dumps[0].Goroutines) != 1 || !dumps[0].Goroutines[0].Leaked {
			t.Errorf("%s: %+v", name, dumps)
		}
	}
}

// TestStoppedTests tells tests that ran too long by what is left of the output.
func TestStoppedTests(t *testing.T) {
	const (
		idle  = "goroutine 0 [idle]:\nruntime.futex(0x1)\n\t/go/src/runtime/sys_linux_amd64.s:526 +0x21\n"
		waits = "goroutine 1 [chan receive]:\ntesting.(*T).Run(0x1)\n\t/go/src/testing/testing.go:790 +0x2fc\ntesting.(*M).Run(0x1)\n\t/go/src/testing/testing.go:921 +0x111\n"
		begun = "=== RUN   TestOpen\n--- PASS: TestOpen (0.00s)\n=== RUN   TestSell\n=== RUN   TestSell/two\n"
	)
	for _, c := range []struct {
		name, text string
		begun      string
		found      bool
	}{
		{"SIGQUIT, a test binary", "SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n\n" + waits, "", true},
		{"SIGQUIT, a test that was begun", begun + "SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n\n" + idle, "TestSell/two", true},
		{"the alarm, a test that was begun", begun + "panic: test timed out after 8m0s\n\n" + waits, "TestSell/two", true},
		{"SIGQUIT, another program", "SIGQUIT: quit\nPC=0x1 m=0 sigcode=0\n\n" + idle, "", false},
		{"the end of a stamp", "3.6367390Z panic: test timed out after 8m0s\n2026-01-02T03:04:05.0000000Z \n2026-01-02T03:04:05.0000001Z " + waits, "", true},
	} {
		all := read(t, c.text).Crashes
		switch {
		case c.found != (len(all) == 1):
			t.Errorf("%s: %d crashes", c.name, len(all))
		case !c.found:
		case all[0].Timeout == nil:
			t.Errorf("%s: %s", c.name, all[0].Class)
		case c.begun != "" && (len(all[0].Timeout.Begun) != 1 || all[0].Timeout.Begun[0] != c.begun):
			t.Errorf("%s: begun %q", c.name, all[0].Timeout.Begun)
		}
	}
}

// TestWaitsWhilePanicking takes a goroutine that panics and waits in a deferred call for one that waits.
func TestWaitsWhilePanicking(t *testing.T) {
	f := read(t, "goroutine 37 [chan send, 9 minutes]:\nmain.acquire(0x1)\n\t/src/a.go:5 +0x1\npanic(0x1)\n\t/go/src/runtime/panic.go:975 +0x1\nmain.f()\n\t/src/a.go:2 +0x1\n")
	if len(f.Crashes) != 0 || len(f.Dumps) != 1 || f.Dumps[0].Lone() {
		t.Errorf("%+v", f)
	}
}
