package exectrace

import (
	"time"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/exectrace/wire"
)

// openTask is a user task that has begun.
type openTask struct {
	name  string
	since int64
	g     int64
}

// region is a user region that a goroutine is in.
type region struct {
	bracket
	task   uint64
	name   string
	inside bool // of a task that is in focus
}

// focus is the type of user task that what goroutines do is restricted to.
type focus struct {
	task    string // empty for none
	tasks   map[uint64]bool
	ended   []uint64 // of tasks, those that ended latest: regions of theirs may still begin
	oldest  int      // index into ended, once that is full
	regions int64    // of such tasks, begun so far
}

// end is told that a task has ended.
func (f *focus) end(task uint64) {
	if !f.tasks[task] {
		return
	}
	if len(f.ended) < maxEnded {
		f.ended = append(f.ended, task)
		return
	}
	delete(f.tasks, f.ended[f.oldest])
	f.ended[f.oldest] = task
	f.oldest = (f.oldest + 1) % maxEnded
}

// counts reports whether what a goroutine waits for is in focus. A region begins and ends
// while its goroutine runs, so a wait lies inside of it or outside as a whole.
func (f *fold) counts(g *goroutine) bool { return f.focus.task == "" || g.inside > 0 }

const (
	maxTasks   = 1 << 18 // open at one time
	maxEnded   = 1 << 16 // that are in focus still
	maxRegions = 64      // inside one another, on one goroutine
	maxTypes   = 1000    // of tasks, and of regions
)

func (f *fold) annotate(r *wire.Record, n *wire.Note, t int64) {
	g := f.goroutine(r.G)
	switch r.Op {
	case wire.OpTask:
		if n.Name == f.focus.task && f.focus.task != "" && len(f.focus.tasks) < maxTasks {
			if f.focus.tasks == nil {
				f.focus.tasks = map[uint64]bool{}
			}
			f.focus.tasks[n.Task] = true
		}
		if len(f.tasks) < maxTasks {
			id := int64(0)
			if g != nil {
				id = g.id
			}
			f.tasks[n.Task] = openTask{n.Name, t, id}
		}
	case wire.OpTaskEnd:
		f.focus.end(n.Task)
		if task, ok := f.tasks[n.Task]; ok {
			delete(f.tasks, n.Task)
			f.endTask(task, t)
			f.endPath(PathTask, task.name, g, f.stackOf(r.Stack), task.since, t)
		}
	case wire.OpRegion:
		if g != nil && len(g.regions) < maxRegions {
			inside := f.focus.tasks[n.Task]
			if inside {
				g.inside++
				f.focus.regions++
			}
			g.regions = push(&f.live, g.regions, region{g.bracket(t), n.Task, n.Name, inside})
		}
	case wire.OpRegionEnd:
		if g == nil {
			return
		}
		for i := len(g.regions) - 1; i >= 0; i-- {
			if g.regions[i].task == n.Task && g.regions[i].name == n.Name {
				f.endRegion(g, i, t)
				return
			}
		}
	case wire.OpLog:
		if f.focus.task != "" && !f.focus.tasks[n.Task] {
			return
		}
		f.logCount++
		if len(f.logs) < MaxLogs {
			id := int64(0)
			if g != nil {
				id = g.id
			}
			f.kept += int64(len(n.Name) + len(n.Text))
			f.logs = push(&f.kept, f.logs, Log{At: time.Duration(t), Goroutine: id, Task: n.Task, Category: n.Name, Message: n.Text})
		}
	}
}

func (f *fold) sumOf(m map[string]*bracketed, name string) *bracketed {
	s := m[name]
	if s == nil {
		if len(m) >= maxTypes {
			name = "" // the rest, together
			if s = m[name]; s != nil {
				return s
			}
		}
		s = took(f, &bracketed{})
		f.kept += perString + int64(len(name))
		m[name] = s
	}
	return s
}

func (f *fold) endTask(task openTask, t int64) {
	s := f.sumOf(f.taskType, task.name)
	s.count++
	f.count(&s.times, time.Duration(t-task.since))
	s.worst.add(task.since, t, task.g)
}

func (f *fold) endRegion(g *goroutine, i int, t int64) {
	r := &g.regions[i]
	if r.inside || f.focus.task == "" {
		f.sumOf(f.regions, r.name).add(f, &r.bracket, g, t)
		f.endPath(PathRegion, r.name, g, 0, r.since, t)
	}
	if r.inside {
		g.inside--
	}
	f.live -= bound.Size[blockedAt](cap(r.blocked))
	g.regions = append(g.regions[:i], g.regions[i+1:]...)
}

func (f *fold) endRegions(g *goroutine, t int64) {
	for len(g.regions) > 0 {
		f.endRegion(g, len(g.regions)-1, t)
	}
}
