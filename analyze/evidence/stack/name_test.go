package stack

import "testing"

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
		"": "",
	} {
		if got := Normal(in); got != want {
			t.Errorf("Normal(%q) = %q, want %q", in, got, want)
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
