package processor

import (
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
)

func TestRetryStorm(t *testing.T) {
	// over ten seconds; each is one sample for 512 KiB
	pair := func(rows ...Row) []*evidence.Exhibit {
		return Of(HeapAt(0, Kept(1, "main.main")), HeapAt(10, append(rows, Kept(1, "main.main"))...))
	}
	failed := func(n int64, names ...string) Row {
		return Objects(48, n, 0, append(names, "main.(*Office).ask", "net/http.(*conn).serve")...)
	}
	client := []string{"net/http.(*Client).do.func2", "net/http.(*Client).do"}
	request := func(n int64) Row { return Objects(256, n, 0, "net/http.(*conn).readRequest", "net/http.(*conn).serve") }
	ExpectAll(t, RetryStorm, []Expect{
		{"four for each request", pair(failed(200_000, client...), request(50_000)), claim.Found, "warning main.(*Office).ask"},
		{"less", pair(failed(199_999, client...), request(50_000)), claim.Found, "info main.(*Office).ask"},
		{"each request fails once", pair(failed(50_000, client...), request(50_000)), claim.Found, "info main.(*Office).ask"},
		{"requests too few to be sampled", pair(failed(200_000, client...)), claim.Found, "warning main.(*Office).ask"},
		{"so few that requests may be as many", pair(Objects(96, 20_000, 0, append(client, "main.(*Office).ask", "net/http.(*conn).serve")...)), claim.Found, "info main.(*Office).ask"},
		{"an error that is wrapped again and again", pair(failed(50_000, "net.(*OpError).Error", "fmt.Errorf"), failed(50_000, "net.(*OpError).Error", "fmt.Errorf", "fmt.Errorf:2"), failed(50_000, "net.(*OpError).Error", "fmt.Sprint"),
			failed(50_000, "net.(*OpError).Error", "log.Print"), request(50_000)), claim.Found, "info main.(*Office).ask"},
		{"one sample", pair(failed(11_000, client...)), claim.Undecided, ""},
		{"a worker", pair(Objects(48, 200_000, 0, "net/http.(*Client).do.func2", "net/http.(*Client).do", "main.crawl")), claim.Found, "info main.crawl"},
		{"errors of the program's own", pair(failed(900_000, "fmt.Errorf")), claim.Undecided, ""},
		{"calls that succeed", pair(failed(900_000, "net/http.(*Client).do"), request(50_000)), claim.Undecided, ""},
		{"since the start no rate is known", Of(HeapAt(0, failed(900_000, client...))), claim.Undecided, ""},
		{"a CPU profile alone", Of(CPUProfile(CPU(500, "net.(*OpError).Error", "fmt.Errorf", "main.(*Office).ask"), CPU(500, "main.work")), Procs()), claim.Undecided, ""},
	})
	both := append(pair(failed(900_000, client...)), CPUProfile(CPU(10, "net.(*OpError).Error", "fmt.Errorf", "main.(*Office).ask"), CPU(990, "main.work")))
	if f := Judge(t, RetryStorm, both...).All.Findings; len(f) != 1 || !Vouched(f[0], evidence.CPU) {
		t.Errorf("%+v", f)
	}
}
