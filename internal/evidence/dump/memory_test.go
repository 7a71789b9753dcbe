package dump

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/logline"
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

// What is read and not kept is not paid for: a log of years of recovered panics needs no more than one of a day.
func TestDumpsThatAreNotKeptCostNothing(t *testing.T) {
	panics := func(n int) int64 {
		account := bound.NewMemory(1 << 30).Account()
		var r Reader
		r.Memory = account
		for range n {
			for line := range strings.SplitSeq("panic: boom\n\ngoroutine 7 [running]:\nmain.f(0x1, 0xc000012340)\n\t/src/main.go:12 +0x1d\nmain.main()\n\t/src/main.go:30 +0x2d\nexit status 2", "\n") {
				r.Line(1, []byte(line), logline.Any)
			}
			for range maxForeign + 1 {
				r.Line(1, []byte("started"), logline.Any)
			}
		}
		found := r.Close()
		if len(found.Crashes) != 1 || found.Crashes[0].Count != n {
			t.Fatalf("%d panics are not one crash: %+v", n, found.Crashes)
		}
		return account.Used()
	}
	if few, many := panics(1000), panics(50_000); many > few+argumentSlab*8*2 {
		t.Errorf("1000 panics cost %d bytes, and 50000 cost %d", few, many)
	}
}

// Goroutines that stand at the same place share one stack.
func TestStacksAreShared(t *testing.T) {
	var r Reader
	goroutines(&r, 3)
	d := r.Close().Dumps[0]
	a, b := d.Goroutines[1].Stack(), d.Goroutines[2].Stack()
	if len(a) != 8 || &a[0] != &b[0] {
		t.Errorf("stacks of %d and %d frames, not one", len(a), len(b))
	}
	for i, f := range d.Goroutines[1].Frames {
		if f.Frame != *a[i] {
			t.Errorf("frame %d is %v in the stack and %v in the goroutine", i, a[i], f.Frame)
		}
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
		if d.Partial && (len(d.Problems) != 1 || !strings.HasPrefix(d.Problems[0].String(), fmt.Sprint(all-len(d.Goroutines), " goroutines are left out: it needs at least ")) || !strings.Contains(d.Problems[0].String(), "; --memory ")) {
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
