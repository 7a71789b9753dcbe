package evidence

import (
	"inquest/internal/evidence/dump"
	"inquest/internal/evidence/exectrace"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/runtimelog"
)

// Profile is the content of every kind of profile, and of Folded; nil for other kinds.
func (e *Exhibit) Profile() *pprofile.Profile {
	p, _ := e.Content.(*pprofile.Profile)
	return p
}

// Trace is the content of an execution trace; nil for other kinds.
func (e *Exhibit) Trace() *exectrace.Timeline {
	t, _ := e.Content.(*exectrace.Timeline)
	return t
}

// Dump is the content of a goroutine dump; nil for other kinds.
func (e *Exhibit) Dump() *dump.Dump {
	d, _ := e.Content.(*dump.Dump)
	return d
}

// Crashes is the content of crash output; empty for other kinds.
func (e *Exhibit) Crashes() dump.Crashes {
	c, _ := e.Content.(dump.Crashes)
	return c
}

// Races is the content of reports of the race detector; empty for other kinds.
func (e *Exhibit) Races() dump.Races {
	r, _ := e.Content.(dump.Races)
	return r
}

// GC is the content of gctrace lines; nil for other kinds.
func (e *Exhibit) GC() *runtimelog.GC {
	g, _ := e.Content.(*runtimelog.GC)
	return g
}

// Sched is the content of schedtrace lines; nil for other kinds.
func (e *Exhibit) Sched() *runtimelog.Sched {
	s, _ := e.Content.(*runtimelog.Sched)
	return s
}
