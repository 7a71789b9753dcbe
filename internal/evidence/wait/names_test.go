package wait

import "testing"

// TestTakesSlot holds methods that hand out what a pool holds apart from others of the same name.
func TestTakesSlot(t *testing.T) {
	for function, want := range map[string]bool{
		"github.com/redis/go-redis/v9/internal/pool.(*ConnPool).waitTurn":   true,
		"github.com/valyala/fasthttp.(*HostClient).acquireConn":             true,
		"github.com/bradfitz/gomemcache/memcache.(*Client).getConn":         true,
		"github.com/Jeffail/tunny.(*Pool).Get":                              true,
		"github.com/jolestar/go-commons-pool/v2.(*ObjectPool).BorrowObject": true,
		"github.com/alitto/pond.(*WorkerPool).Submit":                       true,
		"example.com/sem.(*FairSemaphore).Acquire":                          true,
		"example.com/pool.(*Client).Get":                                    false, // the package is called so, not the type
		"example.com/cache.(*Store).Get":                                    false,
		"example.com/pool.(*Pool).Put":                                      false,
		"example.com/pool.(*Pool).Close":                                    false,
		"example.com/pool.Get":                                              false,
		"example.com/lock.(*Mutex).Acquire":                                 false,
		"example.com/stream.(*Reader).Take":                                 false,
	} {
		if got := takesSlot(function); got != want {
			t.Errorf("%s: %v, want %v", function, got, want)
		}
	}
}

// TestLockHelper knows functions that take a lock for their caller by their names.
func TestLockHelper(t *testing.T) {
	for name, want := range map[string]bool{"main.(*S).lock": true, "main.(*S).RLock": true, "main.lock": true, "main.(*S).Locker": false, "main.(*S).Unlock": false, "main.(*S).Block": false} {
		if got := lockHelper(name); got != want {
			t.Errorf("lockHelper(%q) = %v", name, got)
		}
	}
}

func TestNoStackNoLock(t *testing.T) {
	if LockOf(nil).Kind != "" {
		t.Error("an empty stack stands in no lock")
	}
}
