//go:build unix

package recorder

import (
	"os"
	"syscall"
	"testing"
)

func TestSignal(t *testing.T) {
	r := start(t, Options{Signals: []os.Signal{syscall.SIGUSR1}})
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	if m := manifestOf(t, await(t, r, 1)[0]); m.Trigger.Name != "signal" || m.Trigger.Says != "user defined signal 1" {
		t.Errorf("trigger %+v", m.Trigger)
	}
}
