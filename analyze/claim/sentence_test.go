package claim

import "testing"

func TestCapital(t *testing.T) {
	for s, want := range map[string]string{
		"":                    "",
		"the lock is held":    "The lock is held",
		"cpu-hotspot speaks":  "Cpu-hotspot speaks",
		"undecided: too few":  "Undecided: too few",
		"done.":               "Done.",
		"main.f holds it":     "main.f holds it",
		"(*S).Put holds it":   "(*S).Put holds it",
		"net/http serves":     "net/http serves",
		"do_work runs":        "do_work runs",
		"e2 was read in part": "e2 was read in part",
		"f() is at fault":     "f() is at fault",
		"GOMAXPROCS=4 is set": "GOMAXPROCS=4 is set",
		"\"rent\" took long":  "\"rent\" took long",
		"12 goroutines":       "12 goroutines",
		"überall":             "Überall",
	} {
		if got := Capital(Legacy(s)); got.String() != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

func TestLowerFirst(t *testing.T) {
	for s, want := range map[string]string{
		"":                         "",
		"Mend it":                  "mend it",
		"GOMAXPROCS is set":        "GOMAXPROCS is set",
		"A lock":                   "a lock",
		"Main.f":                   "Main.f",
		"CPU time":                 "CPU time",
		"Goroutine-leak at main.f": "goroutine-leak at main.f",
	} {
		if got := LowerFirst(Legacy(s)); got.String() != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}
