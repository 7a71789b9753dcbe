package settings

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/goccy/go-yaml"
)

type file struct {
	Limits map[string]string `yaml:"limits"`
	Only   []string          `yaml:"only"`
	Any    any               `yaml:"any"`
}

func TestRead(t *testing.T) {
	var f file
	err := Read("c.yaml", strings.NewReader("# limits\nlimits:\n  a.b: 60%  # of all\n  c.d: 1s\nonly: [x, y]\nany:\n- - a\n  - {b: [c]}\n"), &f, yaml.Strict())
	if err != nil || f.Limits["a.b"] != "60%" || len(f.Limits) != 2 || len(f.Only) != 2 {
		t.Errorf("%+v, error %v", f, err)
	}
	for _, empty := range []string{"", "\n\n", "# nothing\n"} {
		if err := Read("c.yaml", strings.NewReader(empty), &f, yaml.Strict()); err != nil {
			t.Errorf("%q: %v", empty, err)
		}
	}
	if err := Read("c.yaml", iotest.ErrReader(errors.New("gone")), &f); err == nil || err.Error() != "c.yaml: gone" {
		t.Error(err)
	}
}

// keys writes n keys below limits.
func keys(n int) string {
	var b strings.Builder
	b.WriteString("limits:\n")
	for i := range n {
		fmt.Fprintf(&b, "  a%d: 1\n", i)
	}
	return b.String()
}

// stairs nests mappings as deep as told, one a line.
func stairs(n int) string {
	var b strings.Builder
	b.WriteString("any:\n")
	for i := range n {
		b.WriteString(strings.Repeat(" ", i+1) + "a:\n")
	}
	return b.String()
}

func TestBounds(t *testing.T) {
	if err := Read("c.yaml", strings.NewReader(keys(maxEntries-1)), &file{}, yaml.Strict()); err != nil {
		t.Errorf("as many keys as are allowed: %v", err)
	}
	if err := Read("c.yaml", strings.NewReader(stairs(maxDepth-1)), &file{}, yaml.Strict()); err != nil {
		t.Errorf("as deep as is allowed: %v", err)
	}
	for name, c := range map[string]struct{ text, want string }{
		"keys":          {keys(maxEntries), "c.yaml:4001: more than 4000 keys and items"},
		"size":          {keys(200_000), "c.yaml:6060: larger than 64 KiB"},
		"aliases":       {"a: &a [x]\nonly: *a\n", "c.yaml:1: anchors, aliases and merge keys are not read: write the value out"},
		"alias":         {"only: *a\n", "c.yaml:1: anchors, aliases and merge keys are not read: write the value out"},
		"merge":         {"limits:\n  <<: {a: b}\n", "c.yaml:2: anchors, aliases and merge keys are not read: write the value out"},
		"stairs":        {stairs(maxDepth), "c.yaml:17: nested deeper than 16 levels"},
		"brackets":      {"only: " + strings.Repeat("[", 60_000), "c.yaml:1: nested deeper than 16 levels"},
		"braces":        {"any: " + strings.Repeat("{a: ", 10_000), "c.yaml:1: nested deeper than 16 levels"},
		"dashes":        {strings.Repeat("- ", 30_000), "c.yaml:1: nested deeper than 16 levels"},
		"question":      {strings.Repeat("? ", 30_000), "c.yaml:1: nested deeper than 16 levels"},
		"items":         {"only: [" + strings.Repeat("a,", 30_000) + "]", "c.yaml:1: more than 4000 keys and items"},
		"unknown field": {"limits: {}\nlimit: {}\n", `c.yaml:2: unknown field "limit"`},
		"twice":         {"only: []\nonly: []\n", `c.yaml:2: mapping key "only" already defined at [1:1]`},
		"wrong type":    {"\nonly: {a: b}\n", "c.yaml:2: "},
		"open":          {"limits: {}\nonly: [a\n", "c.yaml:"},
	} {
		err := Read("c.yaml", strings.NewReader(c.text), &file{}, yaml.Strict())
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

// TestTime reads as much as may be read of what parsers are slow on. The bound is wide: a
// parser that takes the square of its input needs many seconds.
func TestTime(t *testing.T) {
	texts := map[string]string{"keys": keys(maxEntries - 1), "comments on keys": strings.ReplaceAll(keys(maxEntries-1), "\n", " #\n")}
	for _, unit := range []string{"- ", "? ", ": ", "!a ", `"" `, "[", "{", "]", "a: ", "a,", "|\n", "---\n", "%a\n", "- a\n", "#\n", " ", "\n", "\\\n", "'", "\"\\\n", "\t", "a\n", ">\n x\n", "!!map ", "..."} {
		texts[unit] = strings.Repeat(unit, MaxSize/len(unit))
		texts["in a list "+unit] = "only: [" + strings.Repeat(unit, MaxSize/len(unit)-8)
	}
	for name, text := range texts {
		start := time.Now()
		err := Read("c.yaml", strings.NewReader(text), &file{}, yaml.Strict())
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%q took %v", name, took)
		} else if took > 200*time.Millisecond {
			t.Logf("%q took %v: %v", name, took, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{"limits:\n  a.b: 60%\nonly: [x]\n", "only: &a [x]\nskip: *a\n", "- - ? a\n", "any: !!map {a: |\n  x}\n", "%YAML 1.2\n---\n'a': \"\\x41\"\n...\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if err := Read("c.yaml", strings.NewReader(text), &file{}, yaml.Strict()); err != nil && strings.Contains(err.Error(), "\n") {
			t.Error(err)
		}
	})
}
