// Package cmd is the command line: one file per subcommand, flags and exit
// codes, nothing else. What it prints to stdout is the report; all else goes to stderr.
package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"

	"github.com/spf13/cobra"

	"inquest/internal/evidence/stack"
	"inquest/internal/safe"
)

// Version is the version of the tool as reports name it.
const Version = "0.2.0"

// Exit codes, the same in every format.
const (
	exitDone         = 0 // done, and nothing at or above --fail-on
	exitFindings     = 1 // findings at or above --fail-on
	exitFailed       = 2 // could not do it: usage, unreadable evidence, nothing recognised
	exitInconclusive = 3 // could not tell (diff --strict)
)

// exit is an error that decides the exit code. Its message may be empty when
// everything has been said.
type exit struct {
	code int
	msg  string
	hint string // the next step, printed on a line of its own
}

func (e exit) Error() string { return e.msg }

// failed is the exit for work that could not be done.
func failed(hint, format string, args ...any) error {
	return exit{exitFailed, fmt.Sprintf(format, args...), hint}
}

// Main runs inquest with the given arguments and returns its exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(-1)) // see memoryFlag
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return execute(ctx, args, stdin, stdout, stderr)
}

// execute runs one command and returns its exit code.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:           "inquest",
		Short:         "Hold an inquest into a Go process: what happened, how sure that is, and which bytes prove it",
		Version:       Version,
		SilenceErrors: true,
		SilenceUsage:  true,
		Long: `Hold an inquest into a Go process: what happened, how sure that is, and which bytes prove it.

inquest PATH... is inquest analyze PATH...`,
		Args: func(root *cobra.Command, args []string) error {
			if len(args) > 0 {
				return failed(meant(args[0], commandNames(root), "inquest --help lists the commands"), "no command or file %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SetOut(cmd.ErrOrStderr())
			_ = cmd.Usage()
			return exit{code: exitFailed}
		},
	}
	root.SetVersionTemplate("inquest {{.Version}}\n")
	root.SetIn(stdin)
	// What is printed may come from strangers.
	root.SetOut(safe.NewGuard(stdout))
	root.SetErr(safe.NewGuard(stderr))
	root.SetFlagErrorFunc(flagMistake)
	root.AddCommand(analyzeCommand(), diffCommand(), inspectCommand(), explainCommand(), renderCommand(), verifyCommand(), captureCommand(), versionCommand(), manCommand(), mcpCommand())
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	complete(root)
	root.SetArgs(shorthand(root, args))

	err := guarded(func() error { return root.ExecuteContext(ctx) })()
	if err == nil {
		return exitDone
	}
	var e exit
	if !errors.As(err, &e) {
		// cobra's own errors are mistakes in the command line.
		e = exit{exitFailed, err.Error(), "inquest --help lists the commands"}
	}
	if e.msg != "" {
		complain(root.ErrOrStderr(), e.msg)
	}
	if e.hint != "" {
		complain(root.ErrOrStderr(), "hint: "+e.hint)
	}
	return e.code
}

// guarded turns a panic of fn into its error: whatever is wrong with one part of the
// work must not end the process without a word. Everything that runs in a goroutine of its own goes through it.
func guarded(fn func() error) func() error {
	return func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = failed("", "a bug of ours: %v at %s; please report it", p, stack.Origin(debug.Stack()))
			}
		}()
		return fn()
	}
}

// complain writes one line to stderr. What it quotes may come from strangers,
// so what a terminal would obey is made visible.
func complain(stderr io.Writer, msg string) {
	fmt.Fprintf(stderr, "inquest: %s\n", safe.Clean(msg))
}
