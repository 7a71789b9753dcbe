package exectrace

import (
	"time"

	"inquest/analyze/evidence/bound"
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

func (f *fold) annotate(r *record, n *note, t int64) {
	g := f.goroutine(r.g)
	switch r.op {
	case opTask:
		if n.name == f.focus.task && f.focus.task != "" && len(f.focus.tasks) < maxTasks {
			if f.focus.tasks == nil {
				f.focus.tasks = map[uint64]bool{}
			}
			f.focus.tasks[n.task] = true
		}
		if len(f.tasks) < maxTasks {
			id := int64(0)
			if g != nil {
				id = g.id
			}
			f.tasks[n.task] = openTask{n.name, t, id}
		}
	case opTaskEnd:
		f.focus.end(n.task)
		if task, ok := f.tasks[n.task]; ok {
			delete(f.tasks, n.task)
			f.endTask(task, t)
		}
	case opRegion:
		if g != nil && len(g.regions) < maxRegions {
			inside := f.focus.tasks[n.task]
			if inside {
				g.inside++
				f.focus.regions++
			}
			g.regions = push(&f.live, g.regions, region{g.bracket(t), n.task, n.name, inside})
		}
	case opRegionEnd:
		if g == nil {
			return
		}
		for i := len(g.regions) - 1; i >= 0; i-- {
			if g.regions[i].task == n.task && g.regions[i].name == n.name {
				f.endRegion(g, i, t)
				return
			}
		}
	case opLog:
		if f.focus.task != "" && !f.focus.tasks[n.task] {
			return
		}
		f.logCount++
		if len(f.logs) < MaxLogs {
			id := int64(0)
			if g != nil {
				id = g.id
			}
			f.kept += int64(len(n.name) + len(n.text))
			f.logs = push(&f.kept, f.logs, Log{At: time.Duration(t), Goroutine: id, Task: n.task, Category: n.name, Message: n.text})
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
