//go:build unix

package evidence

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFIFO reads a FIFO that is named, and waits for its writer only so long.
func TestFIFO(t *testing.T) {
	defer func(d time.Duration) { WriterWait = d }(WriterWait)
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o644); err != nil {
		t.Fatal(err)
	}
	WriterWait = 50 * time.Millisecond
	b := open(t, name)
	if got := b.Exhibits[0].Problems; len(got) != 1 || got[0].String() != "pipe: nothing was written into this FIFO for 50ms: start what writes into it first" {
		t.Errorf("%q", got)
	}
	if _, err := OpenFile(context.Background(), name); err != nil {
		t.Error(err)
	}

	WriterWait = time.Minute
	for _, data := range [][]byte{[]byte(oneDump), profileOf(t, "heap")} {
		go func() {
			// Without a reader there is nobody to write to: the first try that succeeds finds one that waits.
			f, err := os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0)
			for errors.Is(err, syscall.ENXIO) {
				time.Sleep(time.Millisecond)
				f, err = os.OpenFile(name, os.O_WRONLY|syscall.O_NONBLOCK, 0)
			}
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = f.Write(data[:len(data)/2])
			time.Sleep(20 * time.Millisecond) // a writer that pauses is what this is about
			_, _ = f.Write(data[len(data)/2:])
			_ = f.Close()
		}()
		if e := open(t, name).Exhibits[0]; e.Coverage != Whole || e.SHA256 != sha256Of(data) || e.Bytes != int64(len(data)) {
			t.Errorf("%+v", e)
		}
	}

	// An interrupt ends the wait, with a writer that says nothing and without one.
	for _, silent := range []bool{false, true} {
		ctx, cancel := context.WithCancel(context.Background())
		if silent {
			f, err := os.OpenFile(name, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
		}
		time.AfterFunc(50*time.Millisecond, cancel)
		f, err := OpenFile(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(f); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		_ = f.Close()
	}
}

// TestDevices ends at once on a device that has no end.
func TestDevices(t *testing.T) {
	for name, want := range map[string]string{
		"/dev/zero": "zero: not evidence that inquest reads",
		"/dev/null": "null: empty file",
	} {
		if got := open(t, name).Exhibits[0].Problems; len(got) != 1 || !strings.HasPrefix(got[0].String(), want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
