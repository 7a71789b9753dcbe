package processor

import (
	"regexp"
	"testing"

	. "inquest/internal/detecttest"
)

// TestSetupFocus checks that the command that shows set-up focuses on all that is counted as set-up.
func TestSetupFocus(t *testing.T) {
	focus := regexp.MustCompile(setupFocus)
	for name := range setups {
		if !focus.MatchString(name) {
			t.Errorf("the focus leaves %s out", name)
		}
	}
}

func TestSetUpNamesTheOutermost(t *testing.T) {
	if got := setUp(Frames("regexp.compile", "text/template/parse.Parse", "main.f")); got != "template" {
		t.Errorf("a template that compiles an expression is a %q", got)
	}
}
