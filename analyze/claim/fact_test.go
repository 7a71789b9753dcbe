package claim

import (
	"regexp"
	"slices"
	"testing"

	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
)

// TestPeekFindsTheFunction holds the printed pattern to names as profiles spell them.
func TestPeekFindsTheFunction(t *testing.T) {
	e := &evidence.Exhibit{Path: "mutex.pb.gz"}
	for _, name := range []string{
		"main.(*Book).Place", "main.(*Book).Place.func1", "main.(*Cache[go.shape.string,go.shape.struct { A int }]).Get", "main.Map[go.shape.int]",
	} {
		command := Peek(e, "delay", stack.Site{Function: stack.Normal(name)})
		argv := command.Steps[0].Words()
		at := slices.Index(argv, "-peek") + 1
		if at != len(argv)-2 || argv[at+1] != "mutex.pb.gz" {
			t.Fatalf("Peek(%s) = %s", name, command)
		}
		pattern := argv[at]
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
		"=ls":          "'=ls'",
		"-a=b":         "-a=b",
		"~root":        "'~root'",
		"#x":           "'#x'",
		"a!b":          "'a!b'",
		`\d.\`:         `'\d.'\\''`,
		`a\'b`:         `'a'\\''\''b'`,
		`a\\b`:         `'a'\\'\b'`,
		"case.zip!a/b": "'case.zip!a/b'",
	} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}
