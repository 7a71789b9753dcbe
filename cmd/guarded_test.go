package cmd

import (
	"errors"
	"strings"
	"testing"
)

// A panic becomes an error with its place, and what is no panic stays what it is.
func TestGuarded(t *testing.T) {
	var e exit
	err := guarded(func() error { panic("out of luck") })()
	if !errors.As(err, &e) || e.code != exitFailed || !strings.Contains(e.msg, "out of luck at inquest/cmd.TestGuarded") {
		t.Errorf("%v", err)
	}
	if err := guarded(func() error { return exit{code: exitFindings} })(); !errors.As(err, &e) || e.code != exitFindings {
		t.Errorf("%v", err)
	}
}
