package dump

import (
	"strings"
	"testing"
)

// TestForeign reads goroutines as leak checkers and debuggers list them.
func TestForeign(t *testing.T) {
	d := find(t, "    leaks.go:78: found unexpected goroutines:\n        [Goroutine 708 in state select, with net/http.(*persistConn).writeLoop on top of the stack:\n        net/http.(*persistConn).writeLoop(0xc0020ff8c0)\n        \t/usr/local/go/src/net/http/transport.go:2421 +0xe5\n"+
		"        created by net/http.(*Transport).dialConn in goroutine 703\n        \t/usr/local/go/src/net/http/transport.go:1777 +0x16f1\n\n         Goroutine 709 in state chan receive, 2 minutes, with main.f on top of the stack:\n        goroutine 709 [chan receive, 2 minutes]:\n        main.f(...)\n        \t/src/a.go:3 +0x1\n        ]\n")
	if len(d) != 1 || len(d[0].Goroutines) != 2 || d[0].Origin != "goleak" {
		t.Fatalf("goleak: %+v", d)
	}
	for i, g := range d[0].Goroutines {
		if !g.Leaked || len(g.Frames) != 1 || g.ID != int64(708+i) {
			t.Errorf("goleak: %+v", g)
		}
	}
	d = find(t, "(dlv) goroutines\n* Goroutine 1 - User: ./main.go:12 main.main (0x4a5a3c) (thread 1234)\n  Goroutine 2 - User: /usr/local/go/src/runtime/proc.go:399 runtime.gopark (0x43e04e) [force gc (idle)]\n  Goroutine 4 - Runtime: /usr/local/go/src/runtime/proc.go:399 runtime.gopark (0x43e04e)\n  Goroutine 18 - User: /src/q.go:9 main.(*queue).take (0x4a5a3c) [chan receive 5123]\n[3 goroutines]\n")
	if len(d) != 1 || len(d[0].Goroutines) != 4 || d[0].Goroutines[0].State != "running" || d[0].Goroutines[2].State != "waiting" || d[0].Goroutines[3].State != "chan receive" || d[0].Goroutines[3].Frames[0].Function != "main.(*queue).take" {
		t.Errorf("delve: %+v", d)
	}
	for _, text := range []string{"Goroutine 7 is stuck\n", "Goroutine 7 (running) created at:\n  main.main()\n      /a.go:1 +0x1\n", "Goroutine 7 in state of shock, with f on top\n"} {
		if d := find(t, text); len(d) > 0 {
			t.Errorf("%q: %+v", text, d)
		}
	}
}

// TestLockReports reads what go-deadlock prints before it ends the program.
func TestLockReports(t *testing.T) {
	const report = "POTENTIAL DEADLOCK:\nPrevious place where the lock was grabbed\ngoroutine 19 lock 0xc0000140a8\nstore.go:12 shop.(*store).put { s.mu.Lock() } <<<<<\nmain.go:31 main.main.func1 { s.put(1) }\n\n" +
		"Have been trying to lock it again for more than 30s\ngoroutine 22 lock 0xc0000140a8\nstore.go:20 shop.(*store).get { s.mu.Lock() } <<<<<\nmain.go:33 main.main.func2 { s.get() }\n\n"
	all := read(t, report).Crashes
	if len(all) != 1 || says(all[0]) != "deadlock at shop.(*store).put x1" {
		t.Errorf("%d crashes: %+v", len(all), all)
	}
	if all := read(t, "we fixed a POTENTIAL DEADLOCK: see the notes\n").Crashes; len(all) > 0 {
		t.Errorf("a sentence is taken for a report: %s", says(all[0]))
	}
}

// TestOldRaces reads reports of Go 1.1 to 1.5, which name no address, and those of which one side is left.
func TestOldRaces(t *testing.T) {
	const one = "==================\nWARNING: DATA RACE\nRead by goroutine 13:\n  main.newID()\n      /src/id.go:9 +0xa3\n\n"
	const other = "Previous write by goroutine 8:\n  main.setID()\n      /src/id.go:10 +0xbb\n\nGoroutine 13 (running) created at:\n  main.main()\n      /src/main.go:53 +0x84\n==================\n"
	for text, want := range map[string]string{one + other: "main.setID", one + "==================\n": ""} {
		found := read(t, text)
		all := found.Races
		if half := len(found.Problems) == 1 && strings.Contains(found.Problems[0].String(), "one side only"); half != (want == "") {
			t.Errorf("%.60q: problems %v", text, found.Problems)
		}
		if len(all) != 1 || all[0].Access[0].Site().Function != "main.newID" || all[0].Access[1].Site().Function != want {
			t.Errorf("%.60q: %+v", text, all)
		}
	}
}
