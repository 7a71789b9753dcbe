//go:build unix

package capture

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestSignalsGoOn interrupts a capture of a command: the command gets the signal, and what it wrote is kept.
func TestSignalsGoOn(t *testing.T) {
	c, _, _ := command(t, "wait")
	stderr := &signalled{}
	c.Stderr = stderr
	m, err := c.Run(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if notes := strings.Join(m.Notes, "; "); !strings.Contains(notes, "signal: hangup") {
		t.Errorf("notes %s", notes)
	}
}

// signalled sends this process SIGHUP as soon as the program waits and has left evidence.
type signalled struct {
	done bool
	seen []byte
}

func (s *signalled) Write(p []byte) (int, error) {
	s.seen = append(s.seen, p...)
	if !s.done && bytes.Contains(s.seen, []byte("waiting")) && bytes.Contains(s.seen, []byte("schedticks")) {
		s.done = true
		_ = syscall.Kill(os.Getpid(), syscall.SIGHUP)
	}
	return len(p), nil
}
