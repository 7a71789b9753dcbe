package claim

import (
	"regexp"
	"strings"

	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
)

// pprof returns the command that shows a column of a pprof exhibit.
func pprof(e *evidence.Exhibit, column string, options ...Text) Command {
	argv := append([]Text{"go", "tool", "pprof", "-sample_index=" + pprofile.ColumnText(column)}, options...)
	return NewCommand(append(argv, pathText(e.Path))...)
}

// Peek returns the command that shows a function's value, with callers and
// callees, in a column of a pprof exhibit.
func Peek(e *evidence.Exhibit, column string, s stack.Site) Command {
	return pprof(e, column, "-peek", PatternText(s.Function))
}

// PeekInside is Peek of the samples alone that pass through functions that match
// a pattern, such as those that wait in Lock rather than in a channel.
func PeekInside(e *evidence.Exhibit, column string, s stack.Site, inside Text) Command {
	return Peek(e, column, s).With("-focus=" + inside)
}

// Mean makes a command for pprof show values per event, as of a contention profile the mean wait.
func Mean(c Command) Command { return c.With("-mean") }

// Since makes a command for pprof show what was added since an earlier exhibit of the same process.
func Since(before *evidence.Exhibit, c Command) Command {
	return c.With("-diff_base=" + pathText(before.Path))
}

// PeekLine is Peek of one line of the function.
func PeekLine(e *evidence.Exhibit, column string, s stack.Site, line int) Command {
	return pprof(e, column, "-peek", Textf(`%s .*:%d\b`, PatternText(s.Function), line)).With("-lines")
}

// Pattern matches a function as pprof shows it, its instances and closures included.
func Pattern(function string) string {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(function), `\[\.\.\.\]`, `\[.*\]`)
	// The linker writes %2e for the dots of a path's last element (cmd/internal/objabi/path.go, PathToPrefix); which are its
	// dots, a name as nats.go.(*Conn).Publish leaves open.
	symbol := len(pattern)
	if i := strings.IndexAny(pattern, "([{"); i >= 0 {
		symbol = i
	}
	path := strings.LastIndexByte(pattern[:symbol], '/') + 1
	if i := strings.LastIndex(strings.TrimSuffix(pattern[:symbol], `\`), `\.`); path > 0 && i > path {
		return pattern[:path] + strings.ReplaceAll(pattern[path:i], `\.`, `(\.|%2e)`) + pattern[i:]
	}
	return pattern
}

// PatternText is Pattern as a part of a command.
func PatternText(function string) Text { return prose.Of(prose.Pattern, Pattern(function)) }

// Unpattern is the function that a pattern of [Pattern] matches.
func Unpattern(pattern string) string {
	pattern = strings.NewReplacer(`\[.*\]`, `\[\.\.\.\]`, `(\.|%2e)`, `\.`).Replace(pattern)
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		if pattern[i] == '\\' && i+1 < len(pattern) {
			i++
		}
		b.WriteByte(pattern[i])
	}
	return b.String()
}

// Tags returns the command that shows what a function's samples are labelled with,
// as those of a heap profile are with the size of the objects.
func Tags(e *evidence.Exhibit, column string, s stack.Site) Command {
	return pprof(e, column, "-tags", "-focus="+PatternText(s.Function))
}

// Top returns the command that shows a pprof exhibit's totals by function.
func Top(e *evidence.Exhibit, column string) Command { return pprof(e, column, "-top") }

// Stacks returns the command that shows a column of a pprof exhibit stack by stack.
func Stacks(e *evidence.Exhibit, column string) Command { return pprof(e, column, "-traces") }

// TraceProfile returns the command that shows a trace's waits of one kind by
// stack: "sync", "net", "syscall" or "sched".
func TraceProfile(e *evidence.Exhibit, kind Text) Command {
	profile := kind + ".pb.gz"
	return NewCommand("go", "tool", "trace", "-pprof="+kind, pathText(e.Path)).Into(profile.String()).
		Then(NewCommand("go", "tool", "pprof", "-top", "-cum", profile))
}

// TraceView returns the command that opens a trace, and what to look for in it.
func TraceView(e *evidence.Exhibit, look Text) Command {
	return NewCommand("go", "tool", "trace", pathText(e.Path)).Noted(look)
}

// Grep returns the command that shows the lines of a text exhibit that hold a text.
func Grep(e *evidence.Exhibit, text Text) Command {
	return NewCommand("grep", "-n", "-A", "12", "-F", "-e", text, pathText(e.Path))
}

// GrepGoroutine returns the command that shows the stack of a goroutine in a dump.
func GrepGoroutine(e *evidence.Exhibit, id int64) Command {
	return Grep(e, Textf("goroutine %d [", id))
}

// PartOf returns the whole of a fact.
func PartOf(q evidence.Quantity, what Text) *Whole { return &Whole{q, what} }
