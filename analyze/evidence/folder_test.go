//go:build unix

package evidence

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"inquest/internal/evidence/prose"
)

// TestSpecialFiles names what a folder holds beside files and folders, and waits for none of it.
func TestSpecialFiles(t *testing.T) {
	dir := folder(t, map[string][]byte{"cpu": profileOf(t, "cpu")})
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	links(t, dir, "loop", dir, "self", "self", "dangling.pprof", "gone", "again", "cpu", "null", os.DevNull)
	b := open(t, dir)
	want := []string{"cpu cpu whole", "unknown self none"}
	if diff := cmp.Diff(want, list(b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	over := []string{
		"passed over, FIFO, read when it is named itself: pipe",
		"passed over, reached again by a symbolic link, read once: again, loop",
		"passed over, socket: socket",
		"passed over, symbolic link that leaves the folder, followed with --follow: null",
		"passed over, symbolic link to nothing: dangling.pprof",
	}
	if diff := cmp.Diff(over, passedOver(b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// links makes symbolic links in a folder: name, target, name, target.
func links(t *testing.T, dir string, pairs ...string) {
	t.Helper()
	for pair := range slices.Chunk(pairs, 2) {
		if err := os.Symlink(pair[1], filepath.Join(dir, pair[0])); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLinks follows links that leave the folder only when that is asked for, marks what lies
// behind them, and ends in loops.
func TestLinks(t *testing.T) {
	outside := folder(t, map[string][]byte{"deep/trace": traceSample(t), "heap": profileOf(t, "heap")})
	dir := folder(t, map[string][]byte{"cpu": profileOf(t, "cpu"), ".git/annex/mutex": profileOf(t, "mutex")})
	links(t, dir, "out", outside, "file", filepath.Join(outside, "heap"), "annexed", ".git/annex/mutex", "device", os.DevNull)
	links(t, outside, "back", dir, "up", "..", "loop", ".")

	b := open(t, dir)
	if diff := cmp.Diff([]string{"cpu cpu whole", "mutex annexed whole"}, list(b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	over := []string{
		"passed over, folder of version control: .git",
		"passed over, symbolic link that leaves the folder, followed with --follow: device, file, out",
	}
	if diff := cmp.Diff(over, passedOver(b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	b, err := Open(context.Background(), []string{dir}, Options{Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range b.Exhibits {
		got = append(got, fmt.Sprintf("%s %s %v", e.Kind, e.Path, e.Followed))
	}
	if diff := cmp.Diff([]string{"cpu cpu false", "heap file true", "mutex annexed false", "trace out/deep/trace true"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	over = []string{
		"passed over, device, read when it is named itself: device",
		"passed over, folder of version control: .git",
		"passed over, reached again by a symbolic link, read once: out/back, out/heap, out/loop and 2 more",
	}
	if diff := cmp.Diff(over, passedOver(b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// A link that the user names is what it leads to.
	named := filepath.Join(t.TempDir(), "current")
	if err := os.Symlink(dir, named); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"cpu cpu whole", "mutex annexed whole"}, list(open(t, named))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestNotPermitted names files and folders that may not be read.
func TestNotPermitted(t *testing.T) {
	dir := folder(t, map[string][]byte{"cpu": profileOf(t, "cpu"), "secret.txt": []byte(oneDump), "closed/heap": profileOf(t, "heap")})
	for _, name := range []string{"secret.txt", "closed"} {
		if err := os.Chmod(filepath.Join(dir, name), 0); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 { // who may read everything becomes somebody who may not
		const nobody = 65534
		for p := dir; p != os.TempDir() && p != "/"; p = filepath.Dir(p) {
			if err := os.Chown(p, nobody, -1); err != nil {
				t.Fatal(err)
			}
		}
		if err := syscall.Setreuid(-1, nobody); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := syscall.Setreuid(-1, 0); err != nil {
				t.Fatal(err)
			}
		}()
	}
	var got []string
	for _, e := range open(t, dir).Exhibits {
		got = append(got, strings.TrimSpace(e.Path+" "+string(e.Coverage)+" "+prose.Join(e.Problems, " ").String()))
	}
	want := []string{"cpu whole", "closed none closed: permission denied", "secret.txt none secret.txt: permission denied"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestManyPassedOver names thousands of files in one line.
func TestManyPassedOver(t *testing.T) {
	files := map[string][]byte{"cpu": profileOf(t, "cpu")}
	for i := range 3000 {
		files[fmt.Sprintf("src/%04d.go", i)] = []byte("// x\n\npackage src // y\n")
	}
	b := open(t, folder(t, files))
	if diff := cmp.Diff([]string{"passed over, Go source: src/0000.go, src/0001.go, src/0002.go and 2997 more"}, passedOver(b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestGoSource(t *testing.T) {
	for text, want := range map[string]bool{
		"package main\n": true,
		"// x\n\n/* y\nz */\npackage main // z\n":   true,
		"/* y */\npackage p\n":                      true,
		"package delivery failed\n":                 false,
		"package is late\ngoroutine 1 [running]:\n": false,
		"goroutine 1 [running]:\npackage main\n":    false,
		"// only a comment\n":                       false,
		"":                                          false,
	} {
		if goSource([]byte(text)) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
}

// TestCases lists the cases of a folder.
func TestCases(t *testing.T) {
	outside := folder(t, map[string][]byte{"heap": profileOf(t, "heap")})
	dir := folder(t, map[string][]byte{"a/cpu": nil, ".b/cpu": nil, "lone.txt": nil, ".git/x": nil})
	links(t, dir, "out", outside, "again", "a", "gone", "nowhere", "inner", "a/cpu")
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, follow := range []bool{false, true} {
		cases, over, err := Cases(dir, follow)
		want := []string{".b", "a", "inner", "lone.txt"}
		wantOver := []string{
			"passed over, FIFO, read when it is named itself: pipe",
			"passed over, folder of version control: .git",
			"passed over, reached again by a symbolic link, read once: again",
			"passed over, symbolic link that leaves the folder, followed with --follow: out",
			"passed over, symbolic link to nothing: gone",
		}
		if follow {
			want, wantOver = append(want, "out"), slices.Delete(wantOver, 3, 4)
		}
		if diff := cmp.Diff(want, cases); diff != "" || err != nil {
			t.Errorf("follow %v, error %v (-want +got):\n%s", follow, err, diff)
		}
		if diff := cmp.Diff(wantOver, passedOver(&Bundle{PassedOver: over})); diff != "" {
			t.Errorf("follow %v (-want +got):\n%s", follow, diff)
		}
	}
}

// TestDoublesAreReadOnce checks that links and copies of a file cost no more than the file.
func TestDoublesAreReadOnce(t *testing.T) {
	dir := t.TempDir()
	first := filepath.Join(dir, "a.txt")
	text := oneDump + strings.Repeat("nothing to see here\n", doubleSize/16)
	if err := os.WriteFile(first, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b.txt"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(first, filepath.Join(dir, "c.txt")); err != nil {
		t.Skip(err)
	}
	read := 0
	b, err := Open(t.Context(), []string{dir}, Options{Progress: func(done, _, _ int64) { read = max(read, int(done)) }})
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	for _, e := range b.Exhibits {
		if e.Coverage != None {
			used++
		} else if len(e.Problems) != 1 || !strings.HasSuffix(e.Problems[0].String(), ": the same bytes as a.txt, counted once") || e.SHA256 == "" {
			t.Errorf("%s: %q", e.Path, e.Problems)
		}
	}
	if len(b.Exhibits) != 3 || used != 1 {
		t.Errorf("%d exhibits, %d of them used", len(b.Exhibits), used)
	}
	if read > len(text)+len(text)/2 {
		t.Errorf("%d bytes were read of %d", read, len(text))
	}
}
