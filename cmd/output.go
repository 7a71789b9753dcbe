package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"inquest/report"
)

// output is where reports go and what they look like.
type output struct {
	files  []string
	format string
	quiet  bool
}

func (o *output) register(c *cobra.Command) {
	c.Flags().StringArrayVarP(&o.files, "output", "o", nil, "write the report to `FILE`, in the format its extension names: "+report.Extensions()+" (repeatable)")
	c.Flags().StringVarP(&o.format, "format", "f", "", "write the report to stdout as `FORMAT`: "+strings.Join(report.Formats(), ", ")+" (default text, or nothing with -o)")
	c.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "say nothing on stderr but errors")
}

// views are the formats a document can be written in.
type views struct {
	names      []string
	extensions string // as an error lists them
	byName     func(string) bool
	byFile     func(string) bool
}

var reportViews = views{
	names:      report.Formats(),
	extensions: report.Extensions(),
	byName:     func(name string) bool { _, ok := report.ForName(name); return ok },
	byFile:     func(name string) bool { _, ok := report.ForFile(name); return ok },
}

func (o *output) check() error { return o.checkFor(reportViews) }

func (o *output) checkFor(v views) error {
	if o.format != "" && !v.byName(o.format) {
		return failed("", "--format %s: want %s", o.format, strings.Join(v.names, ", "))
	}
	for _, name := range o.files {
		if !v.byFile(name) {
			return failed("", "-o %s: cannot tell the format; end the name in %s", name, v.extensions)
		}
		if info, err := os.Stat(filepath.Dir(name)); err != nil || !info.IsDir() {
			return failed("", "-o %s: no such directory", name)
		}
	}
	return nil
}

// write renders the report once per destination.
func (o *output) write(c *cobra.Command, r *report.Report) error {
	return o.deliver(c, document{
		file: func(w io.Writer, name string) error {
			write, _ := report.ForFile(name)
			return write(w, located(r, name))
		},
		name: func(w io.Writer, name string) error {
			write, _ := report.ForName(name)
			return write(w, located(r, name))
		},
		term: func(w io.Writer, opt report.TerminalOptions) error { return report.WriteTerminal(w, r, opt) },
	})
}

// document is something that can be written in several formats, told by a file's
// extension, by name, or for the terminal.
type document struct {
	file, name func(io.Writer, string) error
	term       func(io.Writer, report.TerminalOptions) error
}

// deliver writes a document once per destination. A file appears whole or not at all.
func (o *output) deliver(c *cobra.Command, d document) error {
	for _, name := range o.files {
		var b bytes.Buffer
		if err := d.file(&b, name); err != nil {
			return failed("", "%s: %v", name, err)
		}
		if err := replaceFile(name, b.Bytes()); err != nil {
			return failed("", "%v", pathError(name, err))
		}
		if !o.quiet {
			complain(c.ErrOrStderr(), "wrote "+name)
		}
	}
	stdout := c.OutOrStdout()
	if o.format == "github" {
		if err := stepSummary(d); err != nil {
			return err
		}
	}
	var err error
	switch {
	case o.format == "text" || o.format == "" && len(o.files) == 0:
		err = d.term(stdout, terminal(stdout))
	case o.format != "":
		err = d.name(stdout, o.format)
	}
	if err != nil {
		return failed("", "writing the report: %v", err)
	}
	return nil
}

// located names source files relative to the working directory in the formats by
// which other programs find them.
func located(r *report.Report, format string) *report.Report {
	if root := locate(format); root != "" {
		return report.Under(r, root)
	}
	return r
}

// locate returns the folder that source files are named relative to, or "".
func locate(format string) string {
	for _, f := range []string{"sarif", "github", "annotations", "junit", "xml"} {
		if format == f || strings.HasSuffix(strings.ToLower(format), "."+f) {
			root, err := os.Getwd()
			if err != nil {
				return ""
			}
			return root
		}
	}
	return ""
}

// stepSummary adds the Markdown view to the file that GitHub Actions shows beside
// a step, where there is one.
func stepSummary(d document) error {
	name := os.Getenv("GITHUB_STEP_SUMMARY")
	if name == "" {
		return nil
	}
	var b bytes.Buffer
	if err := d.name(&b, "markdown"); err != nil {
		return failed("", "%s: %v", name, err)
	}
	const most = 1 << 20 // more than 1 MiB is refused as a whole
	text := b.Bytes()
	if len(text) > most {
		text = []byte("inquest: the report is too long for a step summary\n")
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.Write(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return failed("", "%v", pathError(name, err))
	}
	return nil
}

// terminal decides width and colour: colour only on a terminal that wants it.
func terminal(w io.Writer) report.TerminalOptions {
	opt := report.TerminalOptions{Width: 80}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return opt
	}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		opt.Width = width
	}
	opt.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return opt
}

func replaceFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".inquest-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// pathError puts the path first and drops the system call's name.
func pathError(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}
