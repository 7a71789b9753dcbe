//go:build unix

package cmd

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestInterruptedWait ends the wait for what writes into a FIFO that an option names.
func TestInterruptedWait(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	for option, o := range map[string]*output{
		"--redact-map": {redact: "names", mapping: name},
		"--sign-with":  {signer: name, files: []string{"r.json"}},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		start := time.Now()
		err := o.check(ctx)
		if err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) || time.Since(start) > 5*time.Second {
			t.Errorf("%s: %v after %v", option, err, time.Since(start))
		}
	}
}
