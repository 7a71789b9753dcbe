//go:build unix

package recorder

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"inquest/recorder/manifest"
)

// smallDisk makes files of cases go to a disk that takes so many bytes more.
func smallDisk(r *Recorder, left int64) {
	r.create = func(path string) (io.WriteCloser, error) {
		f, err := createFile(path)
		return &quota{f, &left}, err
	}
}

type quota struct {
	io.WriteCloser
	left *int64
}

func (q *quota) Write(p []byte) (int, error) {
	n, err := q.WriteCloser.Write(p[:min(int64(len(p)), *q.left)])
	if *q.left -= int64(n); err == nil && n < len(p) {
		err = &os.PathError{Op: "write", Path: "file", Err: syscall.ENOSPC}
	}
	return n, err
}

// checkCase holds a case to its manifest: what it says is there is there, and what is not there has a reason.
func checkCase(t *testing.T, dir string) (kept int) {
	t.Helper()
	m := manifestOf(t, dir)
	for _, f := range m.Files {
		info, err := os.Stat(filepath.Join(dir, f.Name))
		switch {
		case f.Kept() && (err != nil || info.Size() != f.Bytes):
			t.Errorf("%s: %s is said to have %d bytes: %v", dir, f.Name, f.Bytes, err)
		case !f.Kept() && err == nil:
			t.Errorf("%s: %s is there and said to be %s", dir, f.Name, f.Result)
		case f.Result != manifest.Taken && f.Why == "":
			t.Errorf("%s: %s is %s without a reason", dir, f.Name, f.Result)
		case f.Kept():
			kept++
		}
	}
	return kept
}

// TestFullDisk takes cases while the disk gets full: each says what it holds and what it lacks.
func TestFullDisk(t *testing.T) {
	for _, left := range []int64{100, 2 << 10, 10 << 10, 40 << 10} {
		r := start(t, Options{Every: time.Nanosecond, Window: -1, Keep: 100})
		smallDisk(r, left)
		for range 3 {
			_, err := r.Capture("test")
			if err != nil && !strings.Contains(err.Error(), "no space left") {
				t.Errorf("%d bytes: %v", left, err)
			}
		}
		cases := written(t, r)
		if len(cases) == 0 {
			t.Errorf("%d bytes: no case, although the beginning of a dump fits", left)
		}
		for _, dir := range cases {
			if checkCase(t, dir) == 0 {
				t.Errorf("%d bytes: %s holds nothing", left, dir)
			}
		}
		r.Stop()
	}
}

// TestSmallTmpfs is TestFullDisk on a file system that is really full.
func TestSmallTmpfs(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting needs root")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("mount: %v: %s", err, out)
	}
	defer func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	}()
	r := start(t, Options{Dir: dir, Every: time.Nanosecond, Window: -1, Keep: 100})
	defer r.Stop() // before umount
	made, refused := 0, 0
	for range 160 {
		switch d, err := r.Capture("test"); {
		case err == nil:
			made++
			if checkCase(t, d) == 0 {
				t.Errorf("%s holds nothing", d)
			}
		case errors.Is(err, syscall.ENOSPC), strings.Contains(err.Error(), "no space left"):
			refused++
		default:
			t.Fatal(err)
		}
	}
	cases := written(t, r)
	if made == 0 || len(cases) != made {
		t.Errorf("%d cases were made and %d are there", made, len(cases))
	}
	for _, d := range cases {
		checkCase(t, d)
	}
	t.Logf("%d cases, %d triggers found no room and said so", made, refused)
}

// TestCutShort looks at a case as a process leaves it that dies while it writes.
func TestCutShort(t *testing.T) {
	dir := t.TempDir()
	r := start(t, Options{Dir: dir, Window: -1})
	var scratch string
	n := 0
	r.create = func(path string) (io.WriteCloser, error) {
		scratch = filepath.Dir(path)
		if n++; n == 3 { // the manifest as it stands then
			copied := filepath.Join(dir, scratchPrefix+"dead")
			if err := os.CopyFS(copied, os.DirFS(scratch)); err != nil {
				t.Error(err)
			}
			long := time.Now().Add(-2 * time.Hour)
			if err := os.Chtimes(copied, long, long); err != nil {
				t.Error(err)
			}
		}
		return createFile(path)
	}
	if _, err := r.Capture("test"); err != nil {
		t.Fatal(err)
	}
	// Whoever comes later gives it its name.
	cases := written(t, r)
	if len(cases) != 2 {
		t.Fatalf("cases %v, want the one that was cut short and the whole one", cases)
	}
	cut := cases[0]
	if !manifestOf(t, cut).Ended.IsZero() {
		cut = cases[1]
	}
	m := manifestOf(t, cut)
	if !m.Ended.IsZero() || checkCase(t, cut) != 2 {
		t.Fatalf("%+v, want two files and no end", m)
	}
	for _, f := range m.Files[2:] {
		if f.Result != manifest.Skipped || f.Why != cutShort {
			t.Errorf("%+v, want that the case was cut short before it", f)
		}
	}

	// What holds no evidence goes.
	empty := filepath.Join(dir, scratchPrefix+"empty")
	if err := os.Mkdir(empty, 0o750); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-2 * time.Hour)
	if err := os.Chtimes(empty, long, long); err != nil {
		t.Fatal(err)
	}
	sweep(dir)
	written(t, r)
}

// TestModes holds cases to being for their owner and group alone, and to the umask.
func TestModes(t *testing.T) {
	for _, umask := range []int{0o022, 0o077, 0} {
		old := syscall.Umask(umask)
		r := start(t, Options{Dir: filepath.Join(t.TempDir(), "cases")})
		dir, err := r.Capture("test")
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		err = filepath.WalkDir(r.opt.Dir, func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			want := os.FileMode(0o640)
			if d.IsDir() {
				want = 0o750
			}
			if want &^= os.FileMode(umask); err == nil && info.Mode().Perm() != want {
				t.Errorf("umask %o: %s is %o, want %o", umask, path, info.Mode().Perm(), want)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, manifest.Name)); err != nil {
			t.Error(err)
		}
		r.Stop()
	}
}
