package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
	"inquest/cmd/internal/sshsig"
	"inquest/internal/safe"
	"inquest/report"
	"inquest/report/ci"
	"inquest/report/format"
	"inquest/report/redact"
	"inquest/report/terminal"
)

// output is where reports go and what they look like.
type output struct {
	files   []string
	format  string
	quiet   bool
	redact  string // level of redaction; empty for none
	mapping string // file of the tokens; empty when they are not kept
	signer  string // file of the private key that signs what is written; empty for none

	tokens *redact.Mapping // what redaction has used so far
	key    *sshsig.Key     // of signer
}

func (o *output) register(c *cobra.Command) {
	c.Flags().StringArrayVarP(&o.files, "output", "o", nil, "write the report to `FILE`, in the format its extension names: "+format.Extensions()+" (repeatable)")
	c.Flags().StringVarP(&o.format, "format", "f", "", "write the report to stdout as `FORMAT`: "+strings.Join(format.Names(), ", ")+" (default text, or nothing with -o)")
	c.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "say nothing on stderr but errors")
	o.registerRedact(c)
	o.registerSign(c)
}

func (o *output) registerSign(c *cobra.Command) {
	c.Flags().StringVar(&o.signer, "sign-with", "", "sign each file written with this private SSH key: `KEY`; the signature is FILE.sig, and "+passphraseVariable+" holds the passphrase")
}

func (o *output) registerRedact(c *cobra.Command) {
	c.Flags().StringVar(&o.redact, "redact", "", "replace paths, hosts, addresses, labels and what logs say by tokens; --redact=strict also all names in code but the standard library's")
	c.Flags().Lookup("redact").NoOptDefVal = report.RedactNames
	c.Flags().StringVar(&o.mapping, "redact-map", "", "keep which token stands for which name in `FILE`, and use the tokens that it has")
}

func (o *output) check(ctx context.Context) error {
	if _, known := format.ByName(o.format); o.format != "" && !known {
		return failed(meant(o.format, format.Names(), ""), "--format %s: want %s", o.format, strings.Join(format.Names(), ", "))
	}
	if err := o.checkRedact(ctx); err != nil {
		return err
	}
	if o.signer != "" && len(o.files) == 0 {
		return failed("", "--sign-with signs files, and no -o FILE is given")
	}
	for _, name := range o.files {
		if info, err := os.Stat(name); err == nil && info.IsDir() || strings.HasSuffix(name, "/") {
			return failed("analyze --each PATH -o FOLDER/ writes a report for each case in PATH", "-o %s: a folder; name a file that ends in %s", name, format.Extensions())
		}
		if _, known := format.ByFile(name); !known {
			return failed("", "-o %s: cannot tell the format; end the name in %s", name, format.Extensions())
		}
		if info, err := os.Stat(filepath.Dir(name)); err != nil || !info.IsDir() {
			return failed("", "-o %s: no such directory", name)
		}
	}
	return o.readKey(ctx)
}

func (o *output) readKey(ctx context.Context) (err error) {
	if o.signer != "" {
		o.key, err = readSignKey(ctx, o.signer)
	}
	return err
}

// checkRedact checks what is to be redacted, and reads the tokens there are.
func (o *output) checkRedact(ctx context.Context) error {
	switch {
	case o.redact == "" && o.mapping != "":
		return failed("", "--redact-map keeps the tokens of --redact, which is not given")
	case o.redact != "" && o.redact != report.RedactNames && o.redact != report.RedactStrict:
		return failed("", "--redact=%s: want --redact or --redact=%s", o.redact, report.RedactStrict)
	}
	o.tokens = &redact.Mapping{}
	if o.mapping == "" {
		return nil
	}
	f, err := evidence.OpenFile(ctx, o.mapping)
	if errors.Is(err, fs.ErrNotExist) {
		o.tokens = redact.NewMapping()
		return nil
	}
	if err == nil {
		defer f.Close()
		o.tokens, err = redact.ReadMapping(f)
	}
	if err != nil {
		return failed("--redact-map FILE makes one", "%v", pathError(o.mapping, err))
	}
	return nil
}

// redacted returns the report as it may leave.
func (o *output) redacted(r *report.Report) *report.Report {
	if o.redact == "" {
		return r
	}
	return redact.Report(r, o.redact, o.tokens, ownText())
}

// redactedDiff returns the comparison as it may leave, and keeps the tokens.
func (o *output) redactedDiff(c *cobra.Command, d *report.Diff) (*report.Diff, error) {
	if o.redact == "" {
		return d, nil
	}
	d = redact.Diff(d, o.redact, o.tokens, ownText())
	return d, o.keepTokens(c)
}

// sameTokens refuses to compare what names the same code differently: saved
// reports that were redacted strictly, unless all with one mapping.
func sameTokens(c *cobra.Command, args []string) error {
	naming := map[string]bool{}
	strict := false
	for _, arg := range args {
		paths, err := expand(arg)
		if err != nil {
			return err
		}
		for _, p := range paths {
			name := "as the evidence has them"
			if what(p) == "report" {
				r, err := readReport(c, p)
				if err != nil {
					return err
				}
				if r.Redacted != nil && r.Redacted.Level == report.RedactStrict {
					strict, name = true, r.Redacted.Mapping
					if name == "" {
						name = "tokens of " + p
					}
				}
			}
			naming[name] = true
		}
	}
	if strict && len(naming) > 1 {
		return failed("redact both with the same --redact-map FILE, or compare reports that are not redacted strictly", "names were taken out of a report, so the sides cannot be compared by name")
	}
	return nil
}

// ownText is what reports are made of that comes from no evidence.
var ownText = sync.OnceValue(func() []string { return analyze.OwnText(detect.All) })

// keepTokens writes the file of the tokens, for its owner's eyes alone.
func (o *output) keepTokens(c *cobra.Command) error {
	if o.mapping == "" {
		return nil
	}
	var b bytes.Buffer
	err := o.tokens.Write(&b)
	if err == nil {
		err = replaceFile(o.mapping, b.Bytes(), 0o600)
	}
	if err != nil {
		return failed("", "%v", pathError(o.mapping, err))
	}
	if !o.quiet {
		complain(c.ErrOrStderr(), "wrote "+o.mapping+", which names what the tokens stand for: keep it to yourself")
	}
	return nil
}

// invocation is what was asked for, without what only says where the answer
// goes. Of a path that begins at the root of a machine only its last element is told.
func invocation(c *cobra.Command, paths []string) []string {
	captured := c.Name() == "capture" // its flags say how the case was recorded, which the manifest tells
	words := []string{"inquest", c.Name()}
	if captured {
		words[1] = "analyze"
	}
	for _, p := range paths {
		if p != "-" { // standard input
			p = claim.PathArgument(portable(p))
		}
		words = append(words, p)
	}
	c.Flags().Visit(func(f *pflag.Flag) {
		if captured || !report.Recorded(f.Name) {
			return
		}
		values := []string{f.Value.String()}
		switch f.Name {
		case "config", "baseline":
			values[0] = portable(values[0])
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, v := range values {
			word := "--" + f.Name
			if f.Value.Type() != "bool" {
				word += "=" + v
			}
			words = append(words, word)
		}
	})
	return words
}

func portable(p string) string {
	if !filepath.IsAbs(p) {
		return filepath.ToSlash(p)
	}
	return filepath.Base(p)
}

// write renders the report once per destination.
func (o *output) write(c *cobra.Command, r *report.Report) error {
	r = o.redacted(r)
	if err := o.keepTokens(c); err != nil {
		return err
	}
	return o.deliver(c, document{
		write: func(w io.Writer, f format.Format) error { return f.Report(w, located(r, f)) },
		term:  func(w io.Writer, opt terminal.Options) error { return terminal.Write(w, r, opt) },
	})
}

// document is something that can be written in every format, or for the terminal.
type document struct {
	write func(io.Writer, format.Format) error
	term  func(io.Writer, terminal.Options) error
}

// deliver writes a document once per destination. A file appears whole or not at all.
func (o *output) deliver(c *cobra.Command, d document) error {
	for _, name := range o.files {
		var b bytes.Buffer
		form, _ := format.ByFile(name)
		if err := d.write(&b, form); err != nil {
			return failed("", "%s: %v", name, err)
		}
		if err := o.put(name, b.Bytes()); err != nil {
			return failed("", "%v", pathError(name, err))
		}
		if !o.quiet {
			said := "wrote " + name
			if o.key != nil {
				said += " and " + name + sigSuffix
			}
			complain(c.ErrOrStderr(), said)
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
		err = d.term(stdout, screen(stdout))
	case o.format != "":
		form, _ := format.ByName(o.format)
		err = d.write(raw(stdout), form) // formats guard themselves, each in its way
	}
	if err != nil {
		return failed("", "writing the report: %v", err)
	}
	return nil
}

// located names source files relative to the working directory in the formats by
// which other programs find them.
func located(r *report.Report, f format.Format) *report.Report {
	if root := locate(f); root != "" {
		return ci.Under(r, root)
	}
	return r
}

// locate returns the folder that source files are named relative to, or "".
func locate(f format.Format) string {
	if !slices.Contains([]string{"sarif", "github", "junit"}, f.Name) {
		return ""
	}
	root, err := os.Getwd()
	if err != nil {
		return ""
	}
	return root
}

// stepSummary adds the Markdown view to the file that GitHub Actions shows beside
// a step, where there is one.
func stepSummary(d document) error {
	name := os.Getenv("GITHUB_STEP_SUMMARY")
	if name == "" {
		return nil
	}
	var b bytes.Buffer
	form, _ := format.ByName("markdown")
	if err := d.write(&b, form); err != nil {
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

// screen decides width and colour: colour only on a terminal that wants it.
func screen(w io.Writer) terminal.Options {
	opt := terminal.Options{Width: 80}
	f, ok := onTerminal(w)
	if !ok {
		return opt
	}
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		opt.Width = width
	}
	opt.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return opt
}

// raw is what a guard writes to.
func raw(w io.Writer) io.Writer {
	if g, ok := w.(*safe.Guard); ok {
		return g.Unwrap()
	}
	return w
}

// onTerminal returns the terminal that w writes to, if it is one.
func onTerminal(w io.Writer) (*os.File, bool) {
	f, ok := raw(w).(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

func replaceFile(name string, data []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".inquest-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Close())
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
