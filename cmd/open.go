package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"inquest/analyze/evidence"
)

// open reads the evidence and says on stderr what was wrong with it. It fails
// only when nothing at all can be used. An interrupt ends the reading: what has been
// read by then is the case, with its coverage.
func open(c *cobra.Command, paths []string, opt evidence.Options, quiet bool) (*evidence.Bundle, error) {
	stderr := c.ErrOrStderr()
	opt.Stdin = c.InOrStdin()
	done := func() {}
	if f, ok := onTerminal(stderr); ok && !quiet {
		opt.Progress, done = progress(f)
	} else if tell, ok := c.Context().Value(progressKey{}).(func(done, total int64)); ok {
		opt.Progress = func(done, total, _ int64) { tell(done, total) }
	}
	bundle, err := evidence.Open(c.Context(), paths, opt)
	done()
	if errors.Is(err, context.Canceled) && bundle != nil {
		complain(stderr, "interrupted: the report covers what had been read")
	} else if err != nil {
		return nil, failed("", "%v", err)
	}
	usable := 0
	for _, e := range bundle.Exhibits {
		if e.Coverage != evidence.None {
			usable++
		}
		for _, p := range e.Problems {
			if !quiet || e.Coverage == evidence.None {
				complain(stderr, p.String())
			}
		}
	}
	if !quiet || usable == 0 {
		for _, p := range bundle.PassedOver {
			complain(stderr, p.String())
		}
	}
	if usable == 0 {
		if gone := slices.DeleteFunc(slices.Clone(paths), exists); len(gone) == len(paths) {
			return nil, exit{exitFailed, "", missing(gone[0])} // each has been named
		}
		return nil, failed("inquest reads pprof profiles, execution traces, goroutine dumps, and logs that hold dumps, crashes, race reports, gctrace or schedtrace lines; inquest capture http://HOST:PORT -o DIR records a case, and what the program writes to stderr is evidence too",
			"no usable evidence in %s", bundle.Title)
	}
	return bundle, nil
}

// progressKey is the key of a context's func(done, total int64), which is told how many bytes have been read where no
// terminal shows it.
type progressKey struct{}

// exists reports whether there is something at a path, readable or not; - is standard input.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return path == "-" || !errors.Is(err, fs.ErrNotExist)
}

// blink is how long work may take before a progress bar is shown.
const blink = 300 * time.Millisecond

// progress shows bytes of total, time left and, for traces, events per second on a terminal.
func progress(f *os.File) (update func(done, total, events int64), finish func()) {
	start := time.Now()
	var bar *progressbar.ProgressBar
	update = func(done, total, events int64) {
		since := time.Since(start)
		if since < blink || total <= 0 {
			return
		}
		if bar == nil {
			bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(f), progressbar.OptionShowBytes(true),
				progressbar.OptionSetWidth(24), progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
		}
		bar.ChangeMax64(total)
		if events > 0 {
			bar.Describe(fmt.Sprintf("reading, %s events/s", humanize.Comma(int64(float64(events)/since.Seconds()))))
		} else {
			bar.Describe("reading")
		}
		_ = bar.Set64(done)
	}
	return update, func() {
		if bar != nil {
			_ = bar.Finish()
			_ = bar.Clear()
		}
	}
}

// registerFollow adds the flag by which evidence is looked for outside of a folder.
func registerFollow(c *cobra.Command, follow *bool) {
	c.Flags().BoolVar(follow, "follow", false, "follow symbolic links that leave the folders named")
}

// openInput opens a file that the user named beside the evidence.
func openInput(ctx context.Context, path string) (io.ReadCloser, error) {
	f, err := evidence.OpenFile(ctx, path)
	if err != nil {
		return nil, pathError(path, err)
	}
	return f, nil
}
