package stack

import (
	"strings"
	"testing"
)

func TestNormal(t *testing.T) {
	for in, want := range map[string]string{
		"main.main":                                                    "main.main",
		"main.(*Store).Update.func1":                                   "main.(*Store).Update",
		"main.(*Store).Update.func1.2":                                 "main.(*Store).Update",
		"main.(*Store).Update.func1.2.gowrap3":                         "main.(*Store).Update",
		"main.Update.deferwrap1":                                       "main.Update",
		"main.(*Store).Walk-range1":                                    "main.(*Store).Walk",
		"main.(*Store).Walk-fm":                                        "main.(*Store).Walk",
		"main.(*Cache[go.shape.int]).Get":                              "main.(*Cache[...]).Get",
		"main.(*Cache[...]).Get":                                       "main.(*Cache[...]).Get",
		"main.Map[go.shape.[]int,go.shape.string].func1":               "main.Map[...]",
		"main.main.(*Store).Tenant.func2":                              "main.(*Store).Tenant",
		"github.com/nats-io/nats%2ego.(*Conn).Publish":                 "github.com/nats-io/nats.go.(*Conn).Publish",
		"gopkg.in/yaml%2ev3.Unmarshal":                                 "gopkg.in/yaml.v3.Unmarshal",
		"gopkg.in/yaml%2ev3.Unmarshal.func1":                           "gopkg.in/yaml.v3.Unmarshal",
		"sync.(*RWMutex).Unlock (partial-inline)":                      "sync.(*RWMutex).Unlock",
		"example.com/a.b/c.(*T).M":                                     "example.com/a.b/c.(*T).M",
		"main.glob..func1":                                             "main.glob.",
		"main.init.0":                                                  "main.init",
		"net/http.HandlerFunc.ServeHTTP":                               "net/http.HandlerFunc.ServeHTTP",
		"internal/sync.(*HashTrieMap[interface {},interface {}]).Swap": "internal/sync.(*HashTrieMap[...]).Swap",
		"main.main.(*Store).Tenant":                                    "main.main.(*Store).Tenant", // no closure, so nothing was inlined
		"main.main.func2":                                              "main.main.func2",
		"main.main.func2.1.gowrap3":                                    "main.main.func2",
		"main.main.gowrap1":                                            "main.main",
		"main.main.func2.Tenant.func1":                                 "main.Tenant",
		"main.main.funcs.func1":                                        "main.funcs",
		"main.main.Tenant.func2":                                       "main.Tenant",
		"main.handle.flush.func1":                                      "main.handle.flush", // a function in a function, or a method: kept
		"main.f-range1.func2":                                          "main.f",
		"main.f.func1-range2":                                          "main.f",
		"main.main·dwrap·1":                                            "main.main",
		"main.init.func6":                                              "main.init",
		"main.v2":                                                      "main.v2",
		"main.(*T).Get2":                                               "main.(*T).Get2",
		"main.(*T).func1":                                              "main.(*T)",
		"main.Sha256.func12":                                           "main.Sha256",
		"github.com/nats-io/nats.go.(*Conn).Publish":                   "github.com/nats-io/nats.go.(*Conn).Publish",
		"github.com/a/b%2ego.F[go.shape.struct { sync/atomic._ x.Y; z int }].func1": "github.com/a/b.go.F[...]",
		"type:.eq.main.T": "type:.eq.main.T",
		"panic":           "panic",
		"[libc.so.6]":     "[libc.so.6]",
		"":                "",
	} {
		got := Normal(in)
		if got != want {
			t.Errorf("Normal(%q) = %q, want %q", in, got, want)
		}
		if again := Normal(got); again != got {
			t.Errorf("Normal(%q) = %q: not the same when normal already", got, again)
		}
	}
}

func FuzzNormal(f *testing.F) {
	f.Add("main.main.(*Store).Tenant[a/b.C].func2-range1.gowrap3")
	f.Add("a%2eb/c%2ed.(*T).F·dwrap·1")
	f.Add("main.Sha256")
	f.Add("main.f-fm")
	f.Fuzz(func(t *testing.T, name string) {
		if got := normalise(name); plain(name) && got != name {
			t.Errorf("Normal(%q) takes the short way and is %q", name, got)
		}
		if got := Normal(name); len(got) > 5*len(name) { // "[" becomes "[...]"
			t.Errorf("Normal(%q) = %q is far longer", name, got)
		}
		_, _, _ = Package(name), Standard(name), Plumbing(name)
	})
}

func BenchmarkNormal(b *testing.B) {
	for _, name := range []string{"net/http.(*conn).serve", "main.(*Store).Update.func1.2", "main.main.(*Store).Tenant.func2", "internal/sync.(*HashTrieMap[...]).Swap"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Normal(name)
			}
		})
	}
}

func BenchmarkSite(b *testing.B) {
	s := Stack{{"internal/sync.(*Mutex).lockSlow", "mutex.go", 149}, {"sync.(*Mutex).Lock", "mutex.go", 46}, {"main.(*Store).Update.func1", "store.go", 12}}
	b.ReportAllocs()
	for b.Loop() {
		s.Site()
	}
}

func TestGoVersion(t *testing.T) {
	for file, want := range map[string]string{
		"/root/go/pkg/mod/golang.org/toolchain@v0.0.1-go1.24.9.linux-amd64/src/runtime/proc.go": "go1.24.9",
		"/home/me/sdk/go1.22.12/src/sync/mutex.go":                                              "go1.22.12",
		"/opt/go1.26/src/sync/mutex.go":                                                         "go1.26",
		"/opt/go1.27rc1/src/sync/mutex.go":                                                      "go1.27rc1",
		"C:/hostedtoolcache/go1.25.4.windows-amd64/src/sync/mutex.go":                           "go1.25.4",
		"/usr/local/go/src/sync/mutex.go":                                                       "",
		"sync/mutex.go":                                                                         "",
		"/home/me/go1.2things/main.go":                                                          "",
		"/home/me/logo1.24.9/src/main.go":                                                       "",
	} {
		if got := GoVersion(file); got != want {
			t.Errorf("GoVersion(%q) = %q, want %q", file, got, want)
		}
	}
}

func TestPlumbingAndStandard(t *testing.T) {
	for name, want := range map[string][2]bool{ // plumbing, standard
		"runtime.mallocgc":                                {true, true},
		"internal/runtime/maps.(*table).grow":             {true, true},
		"internal/sync.(*Mutex).lockSlow":                 {true, true},
		"sync.(*Mutex).Unlock":                            {true, true},
		"time.Sleep":                                      {true, true},
		"time.NewTimer":                                   {false, true},
		"runtime/pprof.StartCPUProfile":                   {false, true},
		"encoding/json.Marshal":                           {false, true},
		"net/http.(*conn).serve":                          {false, true},
		"internal/poll.(*FD).Read":                        {true, true},
		"golang.org/x/sync/semaphore.(*Weighted).Acquire": {true, false},
		"gcWriteBarrier":                                  {true, true},
		"github.com/acme/app.v2.Run":                      {false, false},
		"memeqbody":                                       {true, true},
		"main.main":                                       {false, false},
		"github.com/acme/runtime.Do":                      {false, false},
		"mycompany/db.Query":                              {false, false},
	} {
		if got := [2]bool{Plumbing(name), Standard(name)}; got != want {
			t.Errorf("%s: plumbing, standard = %v, want %v", name, got, want)
		}
	}
}

func TestSiteSkipsPlumbing(t *testing.T) {
	s := Stack{
		{"internal/sync.(*Mutex).lockSlow", "mutex.go", 149},
		{"sync.(*Mutex).Lock", "mutex.go", 46},
		{"main.(*Store).Update.func1", "store.go", 12},
		{"main.handle", "main.go", 9},
	}
	if got, want := s.Site(), (Site{"main.(*Store).Update", "store.go", 12}); got != want {
		t.Errorf("Site = %v, want %v", got, want)
	}
	if got := (Stack{}).Site(); got != (Site{}) {
		t.Errorf("empty stack: %v, want the zero Site", got)
	}
	all := Stack{{"runtime.gopark", "", 0}, {"runtime.bgsweep", "", 0}}
	if got := all.Site().Function; got != "runtime.bgsweep" {
		t.Errorf("plumbing only: %q, want the outermost frame", got)
	}
}

// The program answers for what the libraries it calls cost, unless what calls
// them merely lets requests through.
func TestOwnerSkipsDependencies(t *testing.T) {
	frame := func(name string) Frame {
		file := "shop/store.go"
		switch {
		case strings.HasPrefix(name, "github.com/"):
			file = "github.com/x/log@v1.2.3/log.go"
		case strings.HasPrefix(name, "example.com/"):
			file = "/src/shop/vendor/example.com/pool/pool.go"
		case Standard(name):
			file = "/root/go/pkg/mod/golang.org/toolchain@v0.0.1-go1.24.9.linux-amd64/src/net/http/server.go"
		}
		return Frame{Function: name, File: file, Line: 1}
	}
	tests := []struct{ leafFirst, want string }{
		{"runtime.mallocgc github.com/x/log.(*Entry).write main.(*API).serve net/http.(*conn).serve", "main.(*API).serve"},
		{"example.com/pool.(*Pool).get github.com/x/log.Print shop/store.Put main.main", "shop/store.Put"},
		{"github.com/x/log.(*Server).loop runtime.goexit", "github.com/x/log.(*Server).loop"},
		{"github.com/x/log.(*Server).loop main.main runtime.main", "github.com/x/log.(*Server).loop"},
		{"github.com/x/log.(*Router).find net/http.HandlerFunc.ServeHTTP main.withLogging.func1 net/http.(*conn).serve", "github.com/x/log.(*Router).find"},
		{"net/http.HandlerFunc.ServeHTTP main.withLogging.func1 net/http.(*conn).serve", "main.withLogging"},
		{"main.run main.main", "main.run"},
		{"runtime.mallocgc main.main", "main.main"},
		{"runtime.gcBgMarkWorker", "runtime.gcBgMarkWorker"},
	}
	for _, tt := range tests {
		var s Stack
		for name := range strings.FieldsSeq(tt.leafFirst) {
			f := frame(name)
			s = append(s, &f)
		}
		if got := s.Owner().Function; got != tt.want {
			t.Errorf("%s: %s, want %s", tt.leafFirst, got, tt.want)
		}
	}
}

// TestTypes tells the types that methods and closures belong to.
func TestTypes(t *testing.T) {
	if got := TypeOf("main.(*Cache[...]).Get"); got != "main.(*Cache[...])" {
		t.Errorf("type of a method: %q", got)
	}
	if typ, ok := MethodType("main.run"); ok {
		t.Errorf("main.run is no method of %q", typ)
	}
}
