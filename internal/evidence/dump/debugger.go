package dump

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strconv"

	"inquest/internal/evidence/logline"
)

// debugger turns the goroutines that debuggers and formatters print into the lines that Go prints: those of delve
// (goroutines, with -t and -group, and stack), of gdb (bt), of panicparse, and of editors that show what delve says.
type debugger struct {
	state   debuggerState
	summary [][]byte // delve: the one frame in the line of a goroutine, until its stack follows
	grouped int      // delve: goroutines named since the last total
	copies  int      // panicparse: goroutines that the header held stands for
	header  []byte   // panicparse and editors: a line that may be a header, as Go prints one
	printed []byte   // the same line as it stands there
	creator []byte   // panicparse: as Go prints it below the frames
	listed  int      // lines of gdb's info goroutines
}

type debuggerState int

const (
	noDebugger debuggerState = iota
	ofDelve
	ofGDB
	ofPanicparse
	ofEditor
)

var (
	// delveLine is a line of delve's list of goroutines (cmd/dlv, "goroutines").
	delveLine = regexp.MustCompile(`^\*?\s*Goroutine (\d{1,18}) - (?:User|Runtime|Start|Go): (\S+):(\d{1,9}) (\S+) \(0x[0-9a-f]+\)(?: \(thread \d+\))?(?: \[([^\]\d]+?)(?: \d+)?\])?$`)
	// delveFrame is the first line of a frame ("stack"), delveAt the second.
	delveFrame = regexp.MustCompile(`^(\d{1,4}) +0x[0-9a-f]{8,16} in (\S+)$`)
	delveAt    = regexp.MustCompile(`^at (\S+):(\d{1,9})$`)
	delveTotal = regexp.MustCompile(`^Total: (\d{1,9})$`)
	// editorHead, editorFrame and editorMade are of goroutines as editors copy them out of delve.
	editorHead  = regexp.MustCompile(`^Goroutine (\d{1,18})$`)
	editorFrame = regexp.MustCompile(`^(created at: )?(\S+) \((\S+\.(?:go|s|c)):(\d{1,9})\)$`)
	// gdbFrame is a frame of gdb ("bt"), and gdbListed a line of "info goroutines" (runtime-gdb.py).
	gdbFrame  = regexp.MustCompile(`^#(\d{1,4}) +(?:0x[0-9a-f]+ in )?(\S+)(?:<\S+>)? \(.*\)(?: at (\S+):(\d{1,9}))?(?: from \S+)?$`)
	gdbListed = regexp.MustCompile(`^(?:\* | {2})\d{1,18} +(?:idle|runnable|running|syscall|waiting|moribund|dead|copystack|preempted) +\S+\.\S+$`)
	// ppHead is a line above goroutines that stand at the same place, and ppFrame a frame of them (github.com/maruel/panicparse, internal/ui.go).
	ppHead  = regexp.MustCompile(`^(\d{1,9}): ([A-Za-z][A-Za-z0-9 ./_()-]{1,60}?)(?: \[(?:\d+~)?(\d{1,9}) minutes\])?( \[locked\])?(?: \[Created by (\S+) @ (\S+):(\d{1,9})\])?$`)
	ppFrame = regexp.MustCompile(`^(\S+) +(\S+\.(?:go|s|c)):(\d{1,9}) +(\S.*?)\([^()]*(?:\(.*\).*)?\)$`)
)

// wants reports whether a line may be of use to it: few are, and every line is asked.
func (d *debugger) wants(line []byte, signs logline.Signs) bool {
	if d.state != noDebugger || d.header != nil {
		return true
	}
	i := 0
	for i < len(line) && (line[i] == ' ' || line[i] == '\t') {
		i++
	}
	if i == len(line) || len(line) > 1024 {
		return false
	}
	switch c := line[i]; {
	case c == '#', c == '*':
		return true
	case c == 'G':
		return bytes.HasPrefix(line[i:], goroutineTitle)
	case c >= '0' && c <= '9':
		return signs&logline.Says != 0 || i == 2 || c == '0' && bytes.Contains(line, []byte(" in "))
	}
	return false
}

// debugged takes a line. It hands lines as Go prints them to emit, and reports whether the line was of a debugger.
func (r *Reader) debugged(line []byte, emit func(line []byte)) bool {
	d := &r.debugger
	text := bytes.TrimSpace(line)
	if len(text) == 0 {
		if d.state != noDebugger && d.state != ofDelve {
			r.undebugged(emit)
		}
		return false
	}
	switch {
	case (text[0] == 'G' || text[0] == '*') && bytes.Contains(text, []byte(" - ")):
		if m := delveLine.FindSubmatch(text); m != nil {
			r.undebugged(emit)
			state := m[5]
			switch {
			case len(state) > 0:
			case bytes.Contains(text, []byte(" (thread ")):
				state = []byte("running")
			default: // delve says only of some why they wait
				state = []byte(waiting)
			}
			emit(nil)
			emit(fmt.Appendf(nil, "goroutine %s [%s]:", m[1], state))
			d.state = ofDelve
			d.grouped++
			d.summary = [][]byte{fmt.Appendf(nil, "%s(...)", m[4]), fmt.Appendf(nil, "\t%s:%s", m[2], m[3])}
			return true
		}
	case text[0] == 'G':
		if m := editorHead.FindSubmatch(text); m != nil {
			r.undebugged(emit)
			d.header, d.printed, d.copies = fmt.Appendf(nil, "goroutine %s ["+waiting+"]:", m[1]), bytes.Clone(line), 1
			return true
		}
	case text[0] == '#':
		if m := gdbFrame.FindSubmatch(text); m != nil {
			if number := string(m[1]); d.state != ofGDB || number == "0" {
				r.undebugged(emit)
				if number != "0" {
					return false
				}
				emit(nil)
				emit([]byte("goroutine 0 [" + waiting + "]:"))
				d.state = ofGDB
			}
			if len(m[3]) > 0 {
				emit(fmt.Appendf(nil, "%s(...)", m[2]))
				emit(fmt.Appendf(nil, "\t%s:%s", m[3], m[4]))
			}
			return true
		}
	case line[0] == ' ' || line[0] == '*':
		if len(line) > 6 && gdbListed.Match(line) {
			d.listed++
			return true
		}
	}
	if c := text[0]; c >= '0' && c <= '9' {
		if m := delveFrame.FindSubmatch(text); m != nil {
			if number := string(m[1]); number == "0" && d.summary == nil { // the output of stack, without the line of the goroutine
				r.undebugged(emit)
				emit(nil)
				emit([]byte("goroutine 0 [" + waiting + "]:"))
				d.state = ofDelve
			}
			if d.state == ofDelve {
				d.summary = nil
				emit(fmt.Appendf(nil, "%s(...)", m[2]))
				return true
			}
		}
		if m := ppHead.FindSubmatch(text); m != nil && line[0] != ' ' && line[0] != '\t' {
			r.undebugged(emit)
			d.copies, _ = strconv.Atoi(string(m[1]))
			d.header = fmt.Appendf(nil, "goroutine 0 [%s", m[2])
			if len(m[3]) > 0 {
				d.header = fmt.Appendf(d.header, ", %s minutes", m[3])
			}
			if len(m[4]) > 0 {
				d.header = append(d.header, ", locked to thread"...)
			}
			d.header = append(d.header, "]:"...)
			d.creator = nil
			if len(m[5]) > 0 {
				d.creator = fmt.Appendf(nil, "created by %s\n\t%s:%s", m[5], m[6], m[7])
			}
			d.printed = bytes.Clone(line)
			return true
		}
	}
	if d.state == ofDelve {
		if m := delveAt.FindSubmatch(text); m != nil {
			emit(fmt.Appendf(nil, "\t%s:%s", m[1], m[2]))
			return true
		}
		if m := delveTotal.FindSubmatch(text); m != nil {
			n, _ := strconv.Atoi(string(m[1]))
			more := n - d.grouped
			r.undebugged(emit)
			if r.builder != nil && r.g != nil {
				r.copies = max(0, more)
			}
			d.grouped = 0
			return true
		}
	}
	if (d.header != nil || d.state == ofEditor) && text[len(text)-1] == ')' {
		if m := editorFrame.FindSubmatch(text); m != nil {
			if d.header != nil {
				emit(nil)
				emit(d.header)
				d.header, d.state = nil, ofEditor
			}
			if len(m[1]) > 0 {
				emit(fmt.Appendf(nil, "created by %s", m[2]))
			} else {
				emit(fmt.Appendf(nil, "%s(...)", m[2]))
			}
			emit(fmt.Appendf(nil, "\t%s:%s", m[3], m[4]))
			return true
		}
	}
	if d.header != nil || d.state == ofPanicparse {
		if m := ppFrame.FindSubmatch(text); m != nil && (line[0] == ' ' || line[0] == '\t') {
			if d.header != nil {
				emit(nil)
				emit(d.header)
				if r.builder != nil && r.g != nil {
					r.copies = max(0, d.copies-1)
				}
				d.header, d.state = nil, ofPanicparse
			}
			emit(fmt.Appendf(nil, "%s.%s(...)", packageOf(string(m[1]), string(m[2])), m[4]))
			emit(fmt.Appendf(nil, "\t%s:%s", m[2], m[3]))
			return true
		}
	}
	r.undebugged(emit)
	return false
}

// undebugged ends what a debugger printed of a goroutine.
func (r *Reader) undebugged(emit func(line []byte)) {
	d := &r.debugger
	for _, line := range d.summary {
		emit(line)
	}
	if d.header != nil { // it was none
		emit(d.printed)
	}
	if d.state == ofPanicparse && d.creator != nil {
		for line := range bytes.SplitSeq(d.creator, []byte("\n")) {
			emit(line)
		}
	}
	d.state, d.summary, d.header, d.creator = noDebugger, nil, nil, nil
}

var goroutineTitle = []byte("Goroutine ")

// packageOf tells the import path of a package that panicparse names by its last element: by the folder of its file
// where that was printed as well.
func packageOf(name, file string) string {
	if path.Base(file) != file {
		if p := importPath(file); path.Base(p) == name || name == "main" {
			if name == "main" {
				return name
			}
			return p
		}
	}
	if p, ok := standardPaths[name]; ok {
		return p
	}
	return name
}

// standardPaths are the packages of the standard library that waits pass and whose path is more than their name.
var standardPaths = map[string]string{"http": "net/http", "poll": "internal/poll", "tls": "crypto/tls", "sql": "database/sql", "exec": "os/exec",
	"signal": "os/signal", "rpc": "net/rpc", "json": "encoding/json", "textproto": "net/textproto", "httputil": "net/http/httputil", "pprof": "runtime/pprof"}

// waiting is the state of a goroutine of which a debugger does not say what it waits for: its frames do.
const waiting = "waiting"

// parked tells by the runtime's frames what state Go would print; waiting when they do not say.
func parked(frames []Frame) string {
	state := "running"
	if len(frames) == 1 { // delve's list names one frame, which need not be the innermost
		state = waiting
	}
	for i := range frames {
		switch frames[i].Function {
		case "runtime.gopark":
			state = waiting
		case "runtime.chansend", "runtime.chansend1":
			return "chan send"
		case "runtime.chanrecv", "runtime.chanrecv1", "runtime.chanrecv2":
			return "chan receive"
		case "runtime.selectgo", "runtime.block":
			return "select"
		case "runtime.netpollblock", "internal/poll.runtime_pollWait":
			return "IO wait"
		case "time.Sleep", "runtime.timeSleep":
			return "sleep"
		case "sync.runtime_notifyListWait", "sync.(*Cond).Wait":
			return "sync.Cond.Wait"
		case "sync.(*WaitGroup).Wait":
			return "sync.WaitGroup.Wait"
		case "sync.(*Mutex).Lock":
			return "sync.Mutex.Lock"
		case "sync.(*RWMutex).Lock":
			return "sync.RWMutex.Lock"
		case "sync.(*RWMutex).RLock":
			return "sync.RWMutex.RLock"
		case "runtime.semacquire1", "internal/sync.runtime_SemacquireMutex", "sync.runtime_SemacquireMutex", "sync.runtime_Semacquire":
			state = "semacquire"
		case "runtime.futex", "runtime.notesleep", "runtime.stopm", "runtime.epollwait", "internal/runtime/syscall.EpollWait":
			return "idle"
		}
	}
	return state
}
