package memory

import (
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/dump"
)

func TestDescriptorLeak(t *testing.T) {
	loop := func(state string, frames ...string) []dump.Goroutine {
		return One(Goroutine(7, state, append(frames, "main.main()")...))
	}
	file := func(n int64, names ...string) Row { return Objects(152, n, n, names...) }
	pair := func(was, is int64, names ...string) []*evidence.Exhibit {
		return Of(HeapAt(0, file(was, names...), Kept(10, "main.cache")), HeapAt(600, file(is, names...), Kept(10, "main.cache")))
	}
	opened := []string{"os.newFile", "os.openFileNolog", "os.OpenFile", "os.Open", "main.cover"}
	ExpectAll(t, DescriptorLeak, []Expect{
		{"net/http pauses", Of(Join(loop("sleep", "time.Sleep()", "net/http.(*Server).Serve()"))), claim.Found, "critical"},
		{"gRPC pauses", Of(Join(loop("select", "google.golang.org/grpc.(*Server).Serve()"))), claim.Found, "critical"},
		{"both accept", Of(Join(loop("IO wait", "internal/poll.(*FD).Accept()", "net.(*netFD).accept()", "net.(*TCPListener).Accept()", "net/http.(*Server).Serve()"),
			loop("IO wait", "internal/poll.(*FD).Accept()", "net.(*netFD).accept()", "net.(*TCPListener).Accept()", "google.golang.org/grpc.(*Server).Serve()"))), claim.Undecided, ""},
		{"a listener of the program's own that sleeps", Of(Join(loop("sleep", "time.Sleep()", "main.(*slow).Accept()", "net/http.(*Server).Serve()"))), claim.Undecided, ""},
		{"a handler that sleeps", Of(Join(loop("sleep", "time.Sleep()", "main.handle()", "net/http.(*conn).serve()"))), claim.Undecided, ""},
		{"files that stay open", pair(10_000, 90_000, opened...), claim.Found, "warning main.cover"},
		{"no more than before", pair(90_000, 90_000, opened...), claim.Undecided, ""},
		{"within the sampling error", pair(1_000, 8_000, opened...), claim.Undecided, ""},
		{"connections that clients made", pair(10_000, 90_000, "net.newFD", "net.(*netFD).accept", "net.(*TCPListener).Accept", "main.listen"), claim.Undecided, ""},
		{"connections that were dialled", pair(10_000, 90_000, "net.newFD", "net.socket", "net.internetSocket", "net.(*Dialer).Dial", "main.call"), claim.Found, "warning main.call"},
		{"other memory of who opens", pair(10_000, 90_000, "os.ReadFile", "main.cover"), claim.Undecided, ""},
		{"one snapshot", Of(HeapAt(0, file(90_000, opened...))), claim.Undecided, ""},
	})
	// The dump says that they have run out, the profiles who opened them.
	all := append(pair(10_000, 90_000, opened...), Join(loop("sleep", "time.Sleep()", "net/http.(*Server).Serve()")))
	if f := Judge(t, DescriptorLeak, all...).All.Findings; len(f) != 1 || f[0].Site.Function != "main.cover" || f[0].Severity != claim.Critical {
		t.Errorf("%+v", f)
	}
}
