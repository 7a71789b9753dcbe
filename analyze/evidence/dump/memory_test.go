package dump

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"inquest/analyze/evidence/bound"
	"inquest/analyze/evidence/logline"
)

// goroutines writes a dump of so many, each with arguments of its own.
func goroutines(r *Reader, n int) {
	for i := range n {
		state := "chan receive, 5 minutes"
		if i == 0 {
			state = "running"
		}
		r.Line(1, fmt.Appendf(nil, "goroutine %d [%s]:", i+1, state), logline.Any)
		for k := range 8 {
			r.Line(1, fmt.Appendf(nil, "main.(*Server).handle%d(0x%x, 0x%x)", k, 0xc000000000+64*i, 0xc000000000+64*i+8*k), logline.Any)
			r.Line(1, fmt.Appendf(nil, "\t/src/app/server%d.go:%d +0x1d", k, 10+k), logline.Any)
		}
		r.Line(1, nil, 0)
	}
}

// A dump that does not fit is kept as far as it does, and what is left out is counted.
func TestDumpsArePaidFor(t *testing.T) {
	const all = 60_000
	for _, budget := range []int64{16 << 20, 1 << 30} {
		account := bound.NewMemory(budget).Account()
		var r Reader
		r.Memory = account
		goroutines(&r, all)
		found := r.Close()
		r = Reader{}
		if len(found.Dumps) != 1 {
			t.Fatalf("budget %d MB: %d dumps", budget>>20, len(found.Dumps))
		}
		d := found.Dumps[0]
		if fits := budget == 1<<30; fits != (len(d.Goroutines) == all) || fits == d.Partial || len(d.Goroutines) < 1000 {
			t.Errorf("budget %d MB: %d of %d goroutines, %q", budget>>20, len(d.Goroutines), all, d.Problems)
		}
		if d.Partial && (len(d.Problems) != 1 || !strings.HasPrefix(d.Problems[0], fmt.Sprint(all-len(d.Goroutines), " goroutines are left out: it needs at least ")) || !strings.Contains(d.Problems[0], "; --memory ")) {
			t.Errorf("budget %d MB: %q", budget>>20, d.Problems)
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		before := int64(m.HeapAlloc)
		runtime.KeepAlive(found)
		found, d = Found{}, nil
		runtime.GC()
		runtime.ReadMemStats(&m)
		if held := before - int64(m.HeapAlloc); held > account.Used()+1<<20 {
			t.Errorf("budget %d MB: %d bytes held, %d paid for", budget>>20, held, account.Used())
		}
	}
}
