package cmd

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
	"inquest/internal/account"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/safe"
	"inquest/report"
	"inquest/report/terminal"
)

func inspectCommand() *cobra.Command {
	var opt evidence.Options
	var memory memoryFlag
	var accounts bool
	var format string
	c := &cobra.Command{
		Use:   "inspect PATH...",
		Short: "List the evidence of a case and what it can prove, without judging it",
		Args:  needPaths,
		RunE: func(c *cobra.Command, paths []string) error {
			var err error
			if c.Flags().Changed("format") && !accounts {
				return failed("", "-f is for --account")
			}
			if !slices.Contains(accountFormats, format) {
				return failed("formats are "+strings.Join(accountFormats, ", "), "no format %q for accounts", format)
			}
			if opt.Memory, err = memory.budget(c); err != nil {
				return err
			}
			bundle, err := open(c, paths, opt, true)
			if err != nil {
				return err
			}
			if accounts {
				return inspectAccounts(c, bundle, format)
			}
			inspect(c, bundle)
			if len(bundle.Unreadable) > 0 {
				return exit{code: exitFailed}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&accounts, "account", false, "print where it all went, in parts that add up, and nothing else")
	c.Flags().StringVarP(&format, "format", "f", "text", "with --account: `FORMAT` is text, json, or, of the operations of traces as a profile of their time, folded or pprof")
	registerFollow(c, &opt.Follow)
	memory.register(c)
	return c
}

// accountFormats are the forms in which inspect writes accounts.
var accountFormats = []string{"text", "json", "folded", "pprof"}

// inspectAccounts writes the accounts of a bundle and no judgement.
func inspectAccounts(c *cobra.Command, b *evidence.Bundle, format string) error {
	all, remarks := analyze.Accounts(b)
	for _, f := range remarks {
		complain(c.ErrOrStderr(), f.Says.String())
	}
	out := c.OutOrStdout()
	r := report.New(analyze.Result{Bundle: b, Accounts: all})
	switch format {
	case "text":
		return terminal.WriteAccounts(out, r, screen(out))
	case "json":
		return safe.Guarded(safe.InJSON, func(w io.Writer, all []claim.Account) error { return safe.WriteJSON(w, all, nil) })(raw(out), r.Accounts)
	}
	wall := account.Wall(all)
	if wall == nil {
		return failed("", "no operations: only execution traces show them")
	}
	if format == "pprof" {
		return pprofile.Write(raw(out), wall)
	}
	return account.WriteFolded(out, wall)
}

func inspect(c *cobra.Command, b *evidence.Bundle) {
	out := c.OutOrStdout()
	say := func(format string, args ...any) { fmt.Fprintln(out, safe.Clean(fmt.Sprintf(format, args...))) }
	present := map[evidence.Kind]bool{}
	for _, e := range b.Exhibits {
		say("%s  %s", e.ID, e.Path)
		line := fmt.Sprintf("%s, %s, read %s", e.Kind.Name(), evidence.Of(e.Bytes, evidence.Bytes), e.Coverage)
		if e.Kind == evidence.Provenance {
			line = fmt.Sprintf("%s, %s, no evidence of the program", e.Kind, evidence.Of(e.Bytes, evidence.Bytes))
		}
		if e.Part != "" {
			line += ", " + e.Part.String()
		}
		if !e.CapturedAt.IsZero() {
			line += ", taken " + e.CapturedAt.UTC().Format("2006-01-02 15:04:05.000 UTC")
		}
		if e.Duration > 0 {
			line += ", covers " + evidence.Duration(e.Duration).String()
		}
		if e.GoVersion != "" {
			line += ", " + e.GoVersion
		}
		if e.Followed {
			line += ", behind a symbolic link that leaves the folder"
		}
		if e.BuildID != "" {
			line += ", build " + e.BuildID
		}
		say("    %s", line)
		say("    sha256 %s", e.SHA256)
		for _, p := range e.Problems {
			say("    problem: %s", p)
		}
		if e.Coverage != evidence.None {
			present[e.Kind] = true
		}
	}
	if len(b.PassedOver) > 0 {
		say("")
	}
	for _, p := range b.PassedOver {
		say("%s", p)
	}
	say("")
	say("What this evidence can speak to:")
	for _, d := range detect.All {
		var have, lack []string
		for _, m := range d.Measures {
			if present[m.Kind] {
				have = append(have, m.Kind.Name().String())
			} else {
				lack = append(lack, m.Kind.Name().String())
			}
		}
		switch {
		case len(have) == 0:
			say("  %-22s nothing; needs one of: %s", d.ID, strings.Join(lack, ", "))
		case len(lack) == 0:
			say("  %-22s %s", d.ID, strings.Join(have, ", "))
		default:
			say("  %-22s %s; absent: %s", d.ID, strings.Join(have, ", "), strings.Join(lack, ", "))
		}
	}
	var missing []string
	for _, k := range evidence.Kinds {
		if !present[k] && slices.Contains([]evidence.Kind{evidence.CPU, evidence.Heap, evidence.Mutex, evidence.Block, evidence.Trace, evidence.Dump}, k) {
			missing = append(missing, fmt.Sprintf("  %s: %s", k.Name(), k.HowToRecord()))
		}
	}
	if len(missing) > 0 {
		say("")
		say("What would complete it:")
		for _, m := range missing {
			say("%s", m)
		}
	}
}
