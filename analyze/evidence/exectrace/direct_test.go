package exectrace

import "testing"

func TestLayoutOfEventsIsKnown(t *testing.T) {
	if !layoutKnown {
		t.Error("trace.Event of this x/exp/trace lies in memory otherwise than direct.go knows: reading works, but slower")
	}
}
