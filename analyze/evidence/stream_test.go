package evidence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
)

// endless repeats bytes without end and counts them.
type endless struct {
	text []byte
	many []byte       // the text again and again
	read atomic.Int64 // by a goroutine that may still be under way when the stream is given up
}

func (e *endless) Read(p []byte) (int, error) {
	if e.many == nil {
		e.many = bytes.Repeat(e.text, 1+1<<17/len(e.text))
	}
	n := copy(p, e.many[int(e.read.Load())%len(e.text):])
	e.read.Add(int64(n))
	return n, nil
}

// stdin opens one stream.
func stdin(t *testing.T, r io.Reader) *Exhibit {
	t.Helper()
	b, err := Open(context.Background(), []string{"-"}, Options{Stdin: r})
	if err != nil || len(b.Exhibits) != 1 {
		t.Fatalf("%q, error %v", list(b), err)
	}
	return b.Exhibits[0]
}

// TestEndless gives up on streams that end nowhere, soon, and leaves nothing on the disk.
func TestEndless(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	pattern := []byte("a\nb\nc\nd\ne\nf\ng\nh\n")
	for name, c := range map[string]struct {
		text []byte
		most int64
		want string
	}{
		"zeros":        {make([]byte, 1<<20), 1 << 20, "stdin: not evidence that inquest reads"},
		"noise":        {[]byte{0xff, 0, 3, 0xfe, 0xf1, 7}, 1 << 20, "stdin: not evidence that inquest reads"},
		"packed zeros": {zipped(t, make([]byte, 64<<20)), 1 << 20, "stdin: not evidence that inquest reads"},
		"zstd zeros":   {zstded(t, make([]byte, 64<<20)), 1 << 20, "stdin: not evidence that inquest reads"},
		"yes":          {[]byte("y\n"), 16 << 20, "stdin: the stream repeats itself without end and was not read on"},
		"eight lines":  {pattern, 16 << 20, "stdin: the stream repeats itself without end and was not read on"},
		"empty lines":  {[]byte("\n"), 16 << 20, "stdin: the stream repeats itself without end and was not read on"},
		"one line":     {[]byte("x"), endlessLine + 16<<20, "stdin: the stream repeats itself without end and was not read on"},
	} {
		if testing.Short() && c.most > endlessLine {
			continue
		}
		r := &endless{text: c.text}
		e := stdin(t, r)
		if e.Coverage != None || len(e.Problems) == 0 || !strings.HasPrefix(e.Problems[0].String(), c.want) || r.read.Load() > c.most {
			t.Errorf("%s: %q after %d bytes, want %s", name, e.Problems, r.read.Load(), c.want)
		}
	}
	// What came before it is evidence.
	e := stdin(t, io.MultiReader(strings.NewReader(oneDump), &endless{text: []byte("y\n")}))
	if e.Kind != Dump || e.Coverage != Partial {
		t.Errorf("%s %s: %q", e.Kind, e.Coverage, e.Problems)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%d files are left", len(left))
	}
}

// TestRepetition takes no log for one that repeats itself which does say something new.
func TestRepetition(t *testing.T) {
	var s repetition
	for i := range 2 * sameLines {
		line := "GET /health 200\n"
		if i%1000 == 0 {
			line = fmt.Sprintf("GET /orders/%d 200\n", i)
		}
		if s.add([]byte(line[:7])) || s.add([]byte(line[7:])) {
			t.Fatalf("ended after %d lines", i)
		}
	}
}

// TestStreamOfText reads text from a pipe without keeping it, with the hash and size of all of it.
func TestStreamOfText(t *testing.T) {
	t.Setenv("TMPDIR", "/nowhere")
	text := noise(20_000_000) + oneDump
	e := stdin(t, strings.NewReader(text))
	if e.Kind != Dump || e.Coverage != Whole || e.SHA256 != sha256Of([]byte(text)) || e.Bytes != int64(len(text)) {
		t.Errorf("%+v", e)
	}
	files, _, err := Hash(context.Background(), []string{"-"}, Options{Stdin: strings.NewReader(text)})
	if err != nil || len(files) != 1 || files[0].SHA256 != e.SHA256 || files[0].Bytes != e.Bytes || !files[0].Likely {
		t.Errorf("%+v, error %v", files, err)
	}
}

// TestSpool keeps a stream on the disk without a name, and no more of it than there is room for.
func TestSpool(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	data := bytes.Repeat([]byte("0123456789abcdef"), 3<<20/4*3)
	c, err := spool(bytes.NewReader(data), spoolLimit)
	if err != nil || c.size != int64(len(data)) {
		t.Fatal(c, err)
	}
	if sum, err := c.hash(); err != nil || sum != sha256Of(data) {
		t.Errorf("hash %s, error %v", sum, err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 && os.PathSeparator == '/' {
		t.Errorf("%s has a name while it is read", left[0].Name())
	}
	c.close()
	for _, limit := range []int64{1000, inMemory, inMemory + 1, 3*inMemory + 7} {
		c, err := spool(bytes.NewReader(data), limit)
		if c == nil || c.size != limit || err == nil || !strings.HasPrefix(err.Error(), "more than ") {
			t.Errorf("limit %d: size %d, error %v", limit, c.size, err)
		}
		c.close()
	}

	free := int64(3 * inMemory)
	space = func(string) (int64, int64, bool) {
		free -= inMemory
		return free, 10 * inMemory, true
	}
	defer func() { space = diskSpace }()
	c, err = spool(&endless{text: data}, spoolLimit)
	if err == nil || !strings.Contains(err.Error(), "TMPDIR names another") || c.size > 2*inMemory {
		t.Errorf("size %d, error %v", c.size, err)
	}
	c.close()
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%d files are left", len(left))
	}
}

// readAgain calls began when it is read once more after so many bytes.
type readAgain struct {
	r     io.Reader
	after int
	began func()
}

func (a *readAgain) Read(p []byte) (int, error) {
	if a.after <= 0 {
		a.began()
	}
	n, err := a.r.Read(p)
	a.after -= n
	return n, err
}

// TestInterruptedStream ends the wait for a stream that says nothing.
func TestInterruptedStream(t *testing.T) {
	for _, before := range []string{"", oneDump} {
		r, w := io.Pipe()
		ctx, cancel := context.WithCancel(context.Background())
		waits := &readAgain{r: r, after: len(before), began: cancel}
		go func() { _, _ = io.WriteString(w, before) }()
		b, err := Open(ctx, []string{"-"}, Options{Stdin: waits})
		if !errors.Is(err, context.Canceled) || len(b.Exhibits) != 1 {
			t.Errorf("%q, error %v", list(b), err)
		}
		_ = w.Close()
	}
}

// TestSpoolForTwo keeps what may be evidence and no more than the beginning of what is none, without end as it may be.
func TestSpoolForTwo(t *testing.T) {
	profile := profileOf(t, "heap")
	for name, c := range map[string]struct {
		in   io.Reader
		want []byte
	}{
		"text":     {iotest.HalfReader(strings.NewReader(oneDump)), []byte(oneDump)},
		"profile":  {bytes.NewReader(profile), profile},
		"nothing":  {strings.NewReader(""), nil},
		"no kind":  {readerFunc(func(p []byte) (int, error) { clear(p); return len(p), nil }), make([]byte, headSize)},
		"too long": {&endless{text: []byte("y\n")}, nil},
	} {
		s, err := Spool(t.Context(), c.in)
		if name == "too long" {
			if err == nil {
				t.Error("a text without end is kept")
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for range 2 {
			if got, err := io.ReadAll(s); err != nil || !bytes.Equal(got, c.want) {
				t.Errorf("%s: %d bytes, %v; want %d", name, len(got), err, len(c.want))
			}
			_, _ = s.Seek(0, io.SeekStart)
		}
		_ = s.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	r, _ := io.Pipe()
	if _, err := Spool(ctx, r); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
