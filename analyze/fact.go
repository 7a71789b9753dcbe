package analyze

import (
	"fmt"
	"regexp"
	"strings"

	"inquest/analyze/evidence"
	"inquest/analyze/evidence/stack"
)

// Peek returns the command that shows a function's value, with callers and
// callees, in a column of a pprof exhibit.
func Peek(e *evidence.Exhibit, column string, s stack.Site) string {
	return fmt.Sprintf("go tool pprof -sample_index=%s -peek %s %s", column, quote(pattern(s)), quote(e.Path))
}

// PeekInside is Peek of the samples alone that pass through functions that match
// a pattern, such as those that wait in Lock rather than in a channel.
func PeekInside(e *evidence.Exhibit, column string, s stack.Site, inside string) string {
	return strings.Replace(Peek(e, column, s), " -peek ", " -focus="+quote(inside)+" -peek ", 1)
}

// Mean makes a command for pprof show values per event, as of a contention profile the mean wait.
func Mean(command string) string {
	return strings.Replace(command, "go tool pprof", "go tool pprof -mean", 1)
}

// Since makes a command for pprof show what was added since an earlier exhibit of the same process.
func Since(before *evidence.Exhibit, command string) string {
	return strings.Replace(command, "go tool pprof", "go tool pprof -diff_base="+quote(before.Path), 1)
}

// PeekLine is Peek of one line of the function.
func PeekLine(e *evidence.Exhibit, column string, s stack.Site, line int) string {
	pattern := fmt.Sprintf(`%s .*:%d\b`, pattern(s), line)
	return fmt.Sprintf("go tool pprof -lines -sample_index=%s -peek %s %s", column, quote(pattern), quote(e.Path))
}

// pattern matches the function as pprof shows it, its instances and closures included.
func pattern(s stack.Site) string {
	return strings.ReplaceAll(regexp.QuoteMeta(s.Function), `\[\.\.\.\]`, `\[.*\]`)
}

// Tags returns the command that shows what a function's samples are labelled with,
// as those of a heap profile are with the size of the objects.
func Tags(e *evidence.Exhibit, column string, s stack.Site) string {
	return strings.Replace(Peek(e, column, s), " -peek ", " -tags -focus ", 1)
}

// Top returns the command that shows a pprof exhibit's totals by function.
func Top(e *evidence.Exhibit, column string) string {
	return fmt.Sprintf("go tool pprof -sample_index=%s -top %s", column, quote(e.Path))
}

// TraceProfile returns the command that shows a trace's waits of one kind by
// stack: "sync", "net", "syscall" or "sched".
func TraceProfile(e *evidence.Exhibit, kind string) string {
	return fmt.Sprintf("go tool trace -pprof=%s %s > %s.pb.gz && go tool pprof -top -cum %s.pb.gz", kind, quote(e.Path), kind, kind)
}

// TraceView returns the command that opens a trace, and what to look for in it.
func TraceView(e *evidence.Exhibit, look string) string {
	return fmt.Sprintf("go tool trace %s  # %s", quote(e.Path), look)
}

// Grep returns the command that shows the lines of a text exhibit that hold a text.
func Grep(e *evidence.Exhibit, text string) string {
	return fmt.Sprintf("grep -n -A 12 -F %s %s", quote(text), quote(e.Path))
}

// quote makes a word safe to paste into a shell.
func quote(word string) string {
	if word != "" && !strings.ContainsFunc(word, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./,:=+@%", r))
	}) && word[0] != '-' {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// PartOf returns the whole of a fact.
func PartOf(q evidence.Quantity, what string) *Whole { return &Whole{q, what} }
