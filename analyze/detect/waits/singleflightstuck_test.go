package waits

import (
	"testing"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/wait"
)

func TestSingleflightStuck(t *testing.T) {
	const serve = "net/http.(*conn).serve()"
	joins := func(group, root string) dump.Goroutine {
		return Goroutine(0, "sync.WaitGroup.Wait", "sync.runtime_SemacquireWaitGroup(0?)", "sync.(*WaitGroup).Wait(0xc000100000)", group+".(*Group).Do(0xc000200000)", "main.(*Board).Next():50", root)
	}
	const x = "golang.org/x/sync/singleflight"
	leader := Goroutine(1, "chan receive", "main.(*Board).fetch():70", "main.(*Board).Next.func1():55", x+".(*Group).doCall.func2()", x+".(*Group).doCall()", x+".(*Group).Do()", "main.(*Board).Next():50", serve)
	// Started by DoChan, it has no caller on its stack.
	async := Goroutine(1, "sleep", "time.Sleep()", "main.(*Board).fetch():71", "main.(*Board).Next.func1():55", x+".(*Group).doCall.func2()", x+".(*Group).doCall()")
	copied := Goroutine(1, "running", "main.(*Board).fetch():70", "main.(*Board).Next.func1():55", "github.com/golang/groupcache/singleflight.(*Group).Do()", "main.(*Board).Next():50", serve)
	lookup := Goroutine(2, "IO wait", "internal/poll.runtime_pollWait()", "net.(*Resolver).goLookupIPCNAMEOrder()", "internal/singleflight.(*Group).doCall()")
	helpers := Goroutine(0, "sync.WaitGroup.Wait", "sync.runtime_SemacquireWaitGroup(0?)", "sync.(*WaitGroup).Wait(0xc000100000)", "main.(*Board).Next():50", serve)
	profile := func(waiters int64) *evidence.Exhibit {
		e := Profiled(evidence.Goroutine, 0,
			Row{Values: []int64{waiters}, Stack: Frames("runtime.gopark", "sync.runtime_SemacquireWaitGroup", "sync.(*WaitGroup).Wait", x+".(*Group).Do", "main.(*Board).Next", "net/http.(*conn).serve")},
			Row{Values: []int64{1}, Stack: Frames("runtime.gopark", "runtime.chanrecv", "runtime.chanrecv1", "main.(*Board).fetch", "main.(*Board).Next.func1", x+".(*Group).doCall", x+".(*Group).Do", "main.(*Board).Next", "net/http.(*conn).serve")})
		e.Profile().Columns = []pprofile.Column{{Name: "goroutine"}}
		return e
	}
	trace := func(count int64, mean time.Duration) *evidence.Exhibit {
		return Traced(&exectrace.Timeline{Waits: []exectrace.Wait{
			{Class: wait.WaitGroup, Count: count, Total: time.Duration(count) * mean, Goroutines: int(count), Times: Histogram(int(count), mean), Stack: Frames("sync.(*WaitGroup).Wait", x+".(*Group).Do", "main.(*Board).Next", "net/http.(*conn).serve")},
			{Class: wait.Network, Count: 1, Total: time.Second, Stack: Frames("internal/poll.runtime_pollWait", "main.(*Board).fetch", "main.(*Board).Next.func1", x+".(*Group).doCall", x+".(*Group).Do", "main.(*Board).Next", "net/http.(*conn).serve")},
		}})
	}
	ExpectAll(t, SingleflightStuck, []Expect{
		{"a hundred wait", Of(Join(One(leader), Many(100, 10, joins(x, serve)))), claim.Found, "critical main.(*Board).fetch"},
		{"a crowd after a cache has expired", Of(Join(One(leader), Many(99, 10, joins(x, serve)))), claim.Found, "info main.(*Board).fetch"},
		{"the crowd has stood for a minute", Of(Join(One(leader), Many(99, 10, Aged(1, joins(x, serve))))), claim.Found, "critical main.(*Board).fetch"},
		{"nine for a minute are few", Of(Join(One(leader), Many(9, 10, Aged(1, joins(x, serve))))), claim.Found, "info main.(*Board).fetch"},
		{"the leader has no caller", Of(Join(One(async), Many(100, 10, joins(x, serve)))), claim.Found, "critical main.(*Board).fetch"},
		{"a copy of the package", Of(Join(One(copied), Many(100, 10, joins("github.com/golang/groupcache/singleflight", serve)))), claim.Found, "critical main.(*Board).fetch"},
		{"no leader in sight", Of(Join(Many(100, 10, joins(x, serve)))), claim.Found, "critical main.(*Board).Next"},
		{"a batch", Of(Join(One(leader), Many(100, 10, joins(x, "main.batch()")))), claim.Found, "info main.(*Board).fetch"},
		{"helpers of their own", Of(Join(One(lookup), Many(100, 10, helpers))), claim.Clear, ""},
		{"a profile", Of(profile(100)), claim.Found, "critical main.(*Board).fetch"},
		{"a profile of a crowd", Of(profile(99)), claim.Found, "info main.(*Board).fetch"},
		{"half a second each", Of(trace(4, 500*time.Millisecond)), claim.Found, "warning main.(*Board).fetch"},
		{"less", Of(trace(4, 499*time.Millisecond)), claim.Found, "info main.(*Board).fetch"},
		{"a second each", Of(trace(4, time.Second)), claim.Found, "critical main.(*Board).fetch"},
		{"now and then", Of(trace(9, 10*time.Millisecond)), claim.Clear, ""},
	})
	f := Judge(t, SingleflightStuck, Join(One(leader), Many(100, 10, joins(x, serve)))).All.Findings[0]
	if want := "100 goroutines wait for the leader of a call that main.(*Board).Next shares; the leader, goroutine 1, waits to receive from a channel in main.(*Board).fetch"; f.Summary.String() != want {
		t.Errorf("%s, want %s", f.Summary, want)
	}
}
