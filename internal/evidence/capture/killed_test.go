//go:build unix

package capture

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"inquest/analyze/evidence"
)

// TestKilledCapture kills a capture, which leaves a case that can be read and says that it was cut short.
func TestKilledCapture(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "CAPTURE_TEST=capture", "GODEBUG=", "CAPTURE_DIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if data, err := os.ReadFile(filepath.Join(dir, stderrName)); err == nil && bytes.Count(data, []byte("\ngc ")) > 1 {
			break
		}
		if time.Now().After(end) {
			t.Error("nothing was captured")
			break
		}
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil { // the program too
		t.Fatal(err)
	}
	_ = cmd.Wait()
	b, err := evidence.Open(context.Background(), []string{dir}, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Captures) != 1 || len(b.Of(evidence.GCTrace))+len(b.Of(evidence.SchedTrace)) == 0 {
		t.Fatalf("%d manifests, exhibits %+v", len(b.Captures), b.Exhibits)
	}
	m := b.Captures[0]
	if f := m.Files[0]; !m.Ended.IsZero() || f.Name != stderrName || f.Result != evidence.InPart || f.Why == "" {
		t.Errorf("manifest %+v, want that it was cut short", m.Manifest)
	}
}

// TestModes holds a case to being for its owner and group alone, and to the umask.
func TestModes(t *testing.T) {
	for _, umask := range []int{0, 0o077} {
		dir := t.TempDir()
		c, _, _ := command(t, "work")
		old := syscall.Umask(umask)
		_, err := c.Run(dir)
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{stderrName, evidence.ManifestName} {
			info, err := os.Stat(filepath.Join(dir, name))
			if want := os.FileMode(0o640) &^ os.FileMode(umask); err != nil || info.Mode().Perm() != want {
				t.Errorf("umask %o: %s has mode %v, want %v (%v)", umask, name, info.Mode(), want, err)
			}
		}
	}
}
