package claim

import (
	"regexp"
	"testing"
)

// TestPattern holds patterns against the names that pprof shows.
func TestPattern(t *testing.T) {
	for name, shown := range map[string]string{
		"main.f": "main.f", "main.(*T).M": "main.(*T).M.func1",
		"a.b/c.F": "a.b/c.F",
		"github.com/nats-io/nats.go.(*Conn).Publish": "github.com/nats-io/nats%2ego.(*Conn).Publish",
		"github.com/nats-io/nats.go.Publish":         "github.com/nats-io/nats%2ego.Publish",
		"gopkg.in/yaml.v3.Unmarshal[...]":            "gopkg.in/yaml%2ev3.Unmarshal[go.shape.int]",
		"main.(*Cache[...]).Get":                     "main.(*Cache[a/b.c]).Get",
	} {
		if p := Pattern(name); !regexp.MustCompile(p).MatchString(shown) {
			t.Errorf("%s does not match %s", p, shown)
		}
	}
	if p := Pattern("a.b/c.(*T).M"); p != `a\.b/c\.\(\*T\)\.M` {
		t.Errorf("%s says more than it needs", p)
	}
}
