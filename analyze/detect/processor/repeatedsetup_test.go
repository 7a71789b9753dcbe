package processor

import (
	"regexp"
	"testing"
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
