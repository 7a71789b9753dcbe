package reading

import (
	"slices"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
)

// What a command for pprof must pass through to show waiting for locks alone.
const (
	InsideLock   = `^sync\.\(\*(RW)?Mutex\)\.R?Lock$|^sync\.\(\*Once\)\.doSlow$|^internal/poll\.\(\*fdMutex\)\.rwlock$`
	InsideUnlock = `^sync\.\(\*(RW)?Mutex\)\.(R?U|u)nlock`
	InsideBoth   = `^sync\.\(\*(RW)?Mutex\)\.R?(Lock|Unlock)$`
)

// PeekOwn is Peek of what counts for a function alone: what pprof shows of a function holds
// what other code of the program took that it called, which is told to pprof to ignore. keep picks
// the stacks that were counted; all when it is nil.
func PeekOwn(e *evidence.Exhibit, column string, site stack.Site, keep func(stack.Stack) bool) claim.Command {
	below, own := map[string]bool{}, map[string]bool{}
	for i := range e.Profile().Samples {
		s := e.Profile().Samples[i].Stack
		if !s.Contains(site.Function) || keep != nil && !keep(s) {
			continue
		}
		if owner := s.Owner().Function; owner != site.Function {
			below[owner] = true
			continue
		}
		for _, f := range s {
			own[stack.Normal(f.Function)] = true
		}
	}
	var ignore []claim.Text
	for name := range below {
		// Who calls the function and is called by it cannot be ignored.
		if !own[name] {
			ignore = append(ignore, claim.PatternText(name))
		}
	}
	command := claim.Peek(e, column, site)
	const maxIgnored = 3
	// A longer pattern than a line is of no use to anybody.
	if len(ignore) == 0 || len(ignore) > maxIgnored {
		return command
	}
	slices.Sort(ignore)
	return command.With("-ignore=^(" + claim.Join(ignore, "|") + ")$")
}

// PeekWait is Peek of the waits alone that stand where those of a stack do.
func PeekWait(e *evidence.Exhibit, column string, site stack.Site, s stack.Stack) claim.Command {
	command := claim.Peek(e, column, site)
	for i, f := range s {
		if stack.Package(f.Function) == "runtime" && i+1 < len(s) && stack.Package(s[i+1].Function) == "runtime" {
			continue
		}
		// The wait in the runtime is the same for many; the call that waits says more unless it is the place itself.
		if stack.Package(f.Function) == "runtime" && i+1 < len(s) && stack.Normal(s[i+1].Function) != site.Function {
			f = s[i+1]
		}
		if stack.Normal(f.Function) == site.Function {
			return command
		}
		return command.With("-focus=^" + claim.PatternText(stack.Normal(f.Function)) + "$")
	}
	return command
}
