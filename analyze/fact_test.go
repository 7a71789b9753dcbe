package analyze

import (
	"regexp"
	"strings"
	"testing"

	"inquest/analyze/evidence"
	"inquest/analyze/evidence/stack"
)

// TestPeekFindsTheFunction holds the printed pattern to names as profiles spell them.
func TestPeekFindsTheFunction(t *testing.T) {
	e := &evidence.Exhibit{Path: "mutex.pb.gz"}
	for _, name := range []string{
		"main.(*Book).Place", "main.(*Book).Place.func1", "main.(*Cache[go.shape.string,go.shape.struct { A int }]).Get", "main.Map[go.shape.int]",
	} {
		command := Peek(e, "delay", stack.Site{Function: stack.Normal(name)})
		_, rest, _ := strings.Cut(command, "-peek '")
		pattern, file, ok := strings.Cut(rest, "' ")
		if !ok || file != "mutex.pb.gz" {
			t.Fatalf("Peek(%s) = %s", name, command)
		}
		if !regexp.MustCompile(pattern).MatchString(name) {
			t.Errorf("the pattern %s does not find %s", pattern, name)
		}
	}
}

func TestQuoteIsSafeToPaste(t *testing.T) {
	for in, want := range map[string]string{
		"cpu.pb.gz":    "cpu.pb.gz",
		"my cpu.pb.gz": "'my cpu.pb.gz'",
		"":             "''",
		"$(reboot)":    "'$(reboot)'",
		"it's":         `'it'\''s'`,
		"-rf":          "'-rf'",
		"a\nb":         "'a\nb'",
		"case.zip!a/b": "'case.zip!a/b'",
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}
