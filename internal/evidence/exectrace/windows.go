package exectrace

import "time"

// windowLength is the length of a window until there are maxWindows of them.
const windowLength = int64(100 * time.Millisecond)

// maxWindows bounds the windows of a trace: when there are as many, pairs are
// joined and the length doubles. A trace of ten minutes keeps 100 ms.
const maxWindows = 6000

// maxCells bounds windows times Ps.
const maxCells = 1 << 20

// slot is something of which a window knows the average count.
type slot uint8

const (
	slotRunning slot = iota
	slotRunnable
	slotWaiting
	slotSyscall
	slotSync
	slotGC
	slots
	slotNone = slots
)

// windows sums up, for each window, how many of each slot there were, in
// nanoseconds. Something that begins at t subtracts t from the open window's sum
// and what ends adds it: no division, and no list of what is under way.
type windows struct {
	closed  []window
	length  int64
	from    int64 // start of the open window
	end     int64
	n       [slots + 1]int64
	sum     [slots + 1]int64
	latency int64 // longest runnable delay that ended in the open window
	stopped int64 // of pauses that ended in it
	live    uint64
	goal    uint64
	late    [][slots]int64 // by closed window: what was announced in the one after it
	epoch   int64          // since when that had been so
}

type window struct {
	sum        [slots]int64
	procs      []int64
	stopped    int64
	latency    int64
	live, goal uint64
}

func (w *windows) init() { w.length, w.end = windowLength, windowLength }

func (w *windows) add(s slot, t int64) {
	w.n[s]++
	w.sum[s] -= t
}

func (w *windows) remove(s slot, t int64) {
	w.n[s]--
	w.sum[s] += t
}

// before adds one to a slot for a stretch that ended now and was not known of.
// All such stretches begin at the epoch. The open window's part is counted as
// that of something that goes on; closed windows are put right by settle, for a
// million goroutines may be announced late.
func (w *windows) before(s slot, epoch, to int64) {
	if s == slotNone {
		return
	}
	from := epoch
	if from < w.from {
		for len(w.late) < len(w.closed) {
			w.late = append(w.late, [slots]int64{})
		}
		w.epoch = epoch
		w.late[len(w.closed)-1][s]++
		from = w.from
	}
	w.sum[s] += to - from
}

// settle adds to each closed window what was announced after it.
func (w *windows) settle() {
	var n [slots]int64
	for i := len(w.late) - 1; i >= 0; i-- {
		start := int64(i) * w.length
		part := max(0, start+w.length-max(start, w.epoch))
		for s := range n {
			n[s] += w.late[i][s]
			w.closed[i].sum[s] += n[s] * part
		}
	}
	w.late = w.late[:0]
}

// roll closes windows until t falls into the open one.
func (f *fold) roll(t int64) {
	w := &f.windows
	for t >= w.end {
		if len(w.closed) >= maxWindows || len(w.closed)*len(f.procs.all) > maxCells && len(w.closed)&1 == 0 {
			w.join()
			continue
		}
		f.closeWindow(w.end)
		w.from, w.end = w.end, w.end+w.length
	}
}

// closeWindow closes the open window at t, its end or the end of the trace.
func (f *fold) closeWindow(t int64) {
	w := &f.windows
	var c window
	for s := range slots {
		c.sum[s] = w.sum[s] + w.n[s]*t
		w.sum[s] = -w.n[s] * t
	}
	c.procs = make([]int64, len(f.procs.all))
	for i, p := range f.procs.all {
		c.procs[i] = p.window
		p.window = 0
		if p.state == procRunning {
			c.procs[i] += t - max(p.since, w.from)
		}
	}
	c.latency, c.live, c.goal, c.stopped = w.latency, w.live, w.goal, w.stopped
	w.latency, w.stopped = 0, 0
	if s := &f.stw; s.active {
		end := t
		if s.resumed >= 0 {
			end = s.resumed
		}
		c.stopped += max(0, end-max(s.begin, w.from))
	}
	w.closed = append(w.closed, c)
}

// join halves the number of closed windows and doubles their length.
func (w *windows) join() {
	w.settle()
	n := len(w.closed) / 2
	for i := range n {
		a, b := w.closed[2*i], w.closed[2*i+1]
		for s := range slots {
			b.sum[s] += a.sum[s]
		}
		for p := range a.procs {
			b.procs[p] += a.procs[p]
		}
		b.stopped += a.stopped
		b.latency = max(a.latency, b.latency)
		w.closed[i] = b
	}
	w.closed = w.closed[:n]
	w.length *= 2
	w.end = w.from + w.length
}

// list returns the windows as the Timeline has them. last is the end of the trace.
func (w *windows) list(last int64, procs int) []Window {
	w.settle()
	out := make([]Window, 0, len(w.closed))
	for i := range w.closed {
		c := &w.closed[i]
		length := float64(min(w.length, last-int64(i)*w.length))
		if length <= 0 {
			break
		}
		v := Window{
			Running:  float64(c.sum[slotRunning]) / length,
			Runnable: float64(c.sum[slotRunnable]) / length,
			Waiting:  float64(c.sum[slotWaiting]) / length,
			Syscall:  float64(c.sum[slotSyscall]) / length,
			SyncWait: float64(c.sum[slotSync]) / length,
			GC:       float64(c.sum[slotGC]) / length,
			Stopped:  time.Duration(c.stopped),
			Heap:     c.live,
			Goal:     c.goal,
			Latency:  time.Duration(c.latency),
			PerProc:  make([]float64, procs),
		}
		for p := range c.procs {
			v.PerProc[p] = float64(c.procs[p]) / length
		}
		out = append(out, v)
	}
	return out
}
