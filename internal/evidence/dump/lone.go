package dump

import (
	"bytes"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"inquest/internal/evidence/logline"
	"inquest/internal/evidence/stack"
)

// lone is the message of a crash whose goroutines have not been met: they may follow, or were never
// logged, or were cut off by who pasted the text. What Go prints in their place is kept.
type lone struct {
	logline.Carrier
	origin  string
	head    []string // its lines, first to last
	line    int      // of the first
	time    time.Time
	blank   bool // a blank line has ended the message
	section section
	pending Frame // waits for its position
	stack   []Frame
	runtime stack.Stack
	files   bool // the stack is one that gin prints: file, then function
	heads   int  // goroutines named without their state
	foreign int  // lines in a row that belong to no crash
	exit    int
	old     bool // frames in the form before Go 1: their second line is the call
	shaped  bool // more than the message has the shape of a crash
}

// section is what part of a crash's output the next lines are of.
type section int

const (
	ofMessage section = iota
	ofRuntime         // "runtime stack:"
	ofGoroutine
)

// maxMessage bounds the lines of a message.
const maxMessage = 200

// omen takes a line that is part of no dump and looks for the message of a crash in it.
func (f *finder) omen(line []byte, keys []string) {
	if l := f.lone; l != nil {
		text := line
		for _, key := range l.Keys[min(len(keys), len(l.Keys)):] {
			value, ok := logline.After(nil, text, key)
			if !ok {
				f.stranger()
				return
			}
			text = value
		}
		for t := range logline.Lines(text) {
			if f.lone == l {
				f.goesOn(l.Bare(t))
			}
		}
		return
	}
	if f.signs&logline.Says == 0 {
		return
	}
	at := omenAt(line)
	if at < 0 {
		return
	}
	line = logline.Plain(line)
	if at = omenAt(line); at < 0 {
		return
	}
	prefix, text := line[:at], line[at:]
	if bytes.IndexByte(prefix, '"') >= 0 {
		value, key, ok := logline.Quoted(line, at)
		// The message must be what the string begins with, or a log may speak of it.
		if !ok || len(keys) == maxNesting || omenAt(value) != 0 {
			return
		}
		carrier := logline.Carrier{Keys: append(append([]string{}, keys...), key)}
		for t := range logline.Lines(value) {
			if carrier.Keys != nil {
				f.await(t, carrier)
				carrier.Keys = nil
			} else if f.lone != nil {
				f.goesOn(t)
			}
		}
		if logline.Several(value) {
			f.conclude()
		}
		return
	}
	if m := klogHead.FindIndex(prefix); m != nil { // the message's further lines do not repeat it
		prefix = prefix[:m[0]]
	}
	if !carried(prefix) {
		return
	}
	f.await(text, logline.Carrier{Keys: keys, Prefix: bytes.Clone(prefix)})
}

// await begins to wait for the goroutines of a crash.
func (f *finder) await(text []byte, carrier logline.Carrier) {
	text = bytes.TrimSpace(text)
	origin, _ := trigger(text)
	if origin == "" {
		origin = "fatal error" // the runtime says why before it says that
	}
	d := &Dump{}
	if !d.date(f.present) {
		d.Time = f.recentTime()
	}
	f.lone = &lone{Carrier: carrier, origin: origin, head: []string{string(text[:min(len(text), recentLength)])}, line: f.line, time: d.Time}
	switch {
	case bytes.HasPrefix(text, []byte("*** Test killed")):
		f.conclude()
	case bytes.HasSuffix(text, []byte("panic recovered:")), bytes.HasPrefix(text, []byte(observed)):
		f.lone.files, f.lone.origin = true, "panic"
	}
}

// goesOn takes a line below the message of a crash.
func (f *finder) goesOn(raw []byte) {
	l := f.lone
	text := bytes.TrimSpace(raw)
	switch {
	case len(text) == 0:
		l.blank, l.pending = true, Frame{}
		if l.section == ofRuntime && len(l.runtime) > 0 {
			l.section = ofGoroutine
		}
		return
	// The state of the scheduler stands between a fatal error and its stack: see remember.
	case bytes.IndexByte(text, '=') >= 0 && (bytes.Contains(text, []byte(" gcwaiting=")) || schedDetail.Match(text[:min(len(text), recentLength)])):
		return
	case bytes.HasPrefix(text, []byte("runtime stack:")):
		l.section, l.shaped, l.foreign = ofRuntime, true, 0
		return
	case string(text) == "[running]:": // the goroutine's number went into the title
		l.section, l.shaped, l.foreign = ofGoroutine, true, 0
		return
	case bytes.HasPrefix(text, goroutineWord) && digits(text[len(goroutineWord):]) > 0: // its header was cut off
		l.section, l.shaped, l.foreign = ofGoroutine, true, 0
		l.heads++
		return
	case bytes.HasPrefix(text, []byte("exit status ")):
		l.exit, _ = strconv.Atoi(string(text[len("exit status "):]))
		f.conclude()
		return
	}
	if strings.HasPrefix(l.head[0], potential) {
		if m := lockFrame.FindSubmatch(text); m != nil {
			n, _ := strconv.Atoi(string(m[2]))
			if l.shaped = true; l.heads < 2 && len(l.stack) < maxDepth {
				l.stack = append(l.stack, Frame{Frame: stack.Frame{Function: f.name(m[3]), File: f.name(m[1]), Line: n}})
			}
			l.foreign = 0
			return
		}
	}
	if l.files && l.fileFirst(text, raw) {
		return
	}
	if m := oldFrameOf(text); m != nil {
		n, _ := strconv.Atoi(string(m[3]))
		if name := strings.ReplaceAll(string(m[1]), "%2e", "."); len(l.stack) < maxDepth {
			l.stack = append(l.stack, Frame{Frame: stack.Frame{Function: f.name([]byte(name)), File: f.name(m[2]), Line: n}})
		}
		l.pending, l.shaped, l.foreign, l.old = Frame{}, true, 0, true
		return
	}
	if file, line, ok := position(text); ok && l.pending.Function != "" {
		l.pending.File, l.pending.Line = f.name(file), line
		if l.section == ofRuntime && !strings.HasPrefix(l.pending.Function, "runtime.") && !strings.HasPrefix(l.pending.Function, "runtime/") {
			l.section = ofGoroutine // the header between was cut out: the runtime's own stack holds nobody else
		}
		if l.section == ofRuntime {
			l.runtime = append(l.runtime, &stack.Frame{Function: l.pending.Function, File: l.pending.File, Line: l.pending.Line})
		} else if len(l.stack) < maxDepth {
			l.stack = append(l.stack, l.pending)
		}
		l.pending, l.shaped, l.foreign = Frame{}, true, 0
		return
	}
	if name, _, ok := createdBy(text); ok && len(name) > 0 {
		l.pending = Frame{}
		return
	}
	if name, _, ok := call(text); ok && (bytes.IndexByte(name, '.') > 0 || string(name) == "panic") {
		if l.old {
			l.foreign = 0
			return
		}
		l.pending = Frame{Frame: stack.Frame{Function: f.name(name)}}
		return
	}
	if machine(text) || memoryLine(text) {
		if bytes.HasPrefix(text, []byte("[signal ")) || bytes.HasPrefix(text, []byte("PC=0x")) || bytes.HasPrefix(text, []byte("runtime: ")) {
			l.say(text)
		}
		l.shaped = l.shaped || !bytes.HasPrefix(text, []byte("runtime: "))
		l.foreign = 0
		return
	}
	if origin, _ := trigger(text); origin != "" {
		another := origin == l.origin && !bytes.HasPrefix(raw, []byte("\t")) && (origin != "fatal error" || strings.HasPrefix(l.head[0], "fatal error: "))
		if another || l.blank && origin != "fatal error" {
			carrier := l.Carrier
			f.conclude()
			f.await(text, carrier)
			return
		}
		l.say(text)
		l.origin, l.foreign = origin, 0
		l.shaped = l.shaped || bytes.HasPrefix(raw, []byte("\t"))
		return
	}
	if !l.blank && l.section == ofMessage && len(l.head) < maxMessage && (len(l.Prefix) == 0 && len(l.Keys) == 0 || runningTest(string(text)) || string(text) == "running tests:") {
		l.say(text)
		if runningTest(string(text)) {
			return
		}
	}
	f.stranger()
}

func (l *lone) say(text []byte) {
	if len(l.head) < maxMessage {
		l.head = append(l.head, string(text[:min(len(text), recentLength)]))
	}
}

// stranger takes a line that belongs to no crash.
func (f *finder) stranger() {
	if f.lone.foreign++; f.lone.foreign > maxForeign {
		f.conclude()
	}
}

var (
	// memoryWords matches what the runtime prints of a stack that it cannot walk (runtime/print.go, hexdumpWords).
	memoryWords = regexp.MustCompile(`^(?:0x)?[0-9a-f]{8,16}: +(?:[ <>=*!]?(?:0x)?[0-9a-f]{8,16}[ <>=*!]*)+(?:<.*>.*)?$`)
	// klogHead matches what klog and glog write before a message: "E0403 09:26:35.512103    9519 runtime.go:69] ".
	klogHead = regexp.MustCompile(`[IWEF]?\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ [\w.-]+\.go:\d+\] $`)
	// lockFrame matches a frame of a report of go-deadlock: "store.go:12 shop.(*store).get { s.mu.Lock() } <<<<<".
	lockFrame = regexp.MustCompile(`^(\S+\.go):(\d+) (\S+) (?:\{ .* \}|\?\?\?)(?: <+)?$`)
	// oldFrame matches the first line of a frame as Go printed it before Go 1: "main.f+0x3d /src/main.go:14".
	oldFrame = regexp.MustCompile(`^(\S+\.\S+?)(?:\+0x[0-9a-f]+)? (/\S+\.(?:go|c|s)):(\d+)$`)
	// ginFrame matches the first line of a frame as the recovery of gin prints it: "/src/main.go:31 (0xb3e1f5)".
	ginFrame = regexp.MustCompile(`^(.+\.(?:go|s)):(\d+) \(0x[0-9a-f]+\)$`)
	// bareFrame matches a frame of which the position alone was logged: ": /src/shop.go:31".
	bareFrame = regexp.MustCompile(`^(?:: )?(/\S+\.(?:go|s)|<autogenerated>):(\d+)$`)
	ginName   = regexp.MustCompile(`^([\w.()*\[\]-]+): .*$`)
)

// oldFrameOf asks the pattern, which takes long, only of lines that end as such a frame does.
func oldFrameOf(text []byte) [][]byte {
	if _, _, ok := logline.Position(text); !ok || bytes.IndexByte(text, ' ') < 0 {
		return nil
	}
	return oldFrame.FindSubmatch(text)
}

// memoryLine asks the pattern, which takes long, only of lines that begin as it does.
func memoryLine(text []byte) bool {
	n := bytes.IndexByte(text[:min(len(text), 19)], ':')
	return n >= 8 && memoryWords.Match(text)
}

// fileFirst takes a line of a stack that names the file before the function, and the function without its package.
func (l *lone) fileFirst(text, raw []byte) bool {
	if m := ginFrame.FindSubmatch(text); m != nil {
		n, _ := strconv.Atoi(string(m[2]))
		l.section, l.shaped, l.foreign = ofGoroutine, true, 0
		if len(l.stack) < maxDepth {
			l.stack = append(l.stack, Frame{Frame: stack.Frame{Function: path.Join(path.Base(path.Dir(string(m[1]))), path.Base(string(m[1]))), File: string(m[1]), Line: n}})
		}
		return true
	}
	// Before 2019 the programs of Kubernetes logged the positions alone.
	if m := bareFrame.FindSubmatch(text); m != nil && strings.HasPrefix(l.head[0], observed) {
		n, _ := strconv.Atoi(string(m[2]))
		l.section, l.shaped, l.foreign = ofGoroutine, true, 0
		function := path.Join(importPath(string(m[1])), path.Base(string(m[1])))
		if function == "runtime/panic.go" && !slices.ContainsFunc(l.stack, func(f Frame) bool { return f.Function == "panic" }) {
			function = "panic"
		} else if strings.HasPrefix(function, "runtime/") {
			function = "runtime." + path.Base(function)
		}
		if len(l.stack) < maxDepth {
			l.stack = append(l.stack, Frame{Frame: stack.Frame{Function: function, File: string(m[1]), Line: n}})
		}
		return true
	}
	if n := len(l.stack); n > 0 {
		if m := ginName.FindSubmatch(text); m != nil && (raw[0] == '\t' || raw[0] == ' ') {
			l.stack[n-1].Function = importPath(l.stack[n-1].File) + "." + string(m[1])
			if name := l.stack[n-1].Function; name == "runtime.gopanic" || name == "runtime.panic" {
				l.stack[n-1].Function = "panic"
			}
			l.foreign = 0
			return true
		}
	}
	// The request stands between, line by line, and what the panic said last.
	if l.section == ofMessage && len(l.head) < maxMessage {
		l.say(text)
		return true
	}
	return false
}

// importPath tells the package of a source file as well as its name does.
func importPath(file string) string {
	dir := path.Dir(file)
	if i := strings.LastIndex(dir, "/mod/"); i >= 0 {
		var kept []string
		for _, e := range strings.Split(dir[i+len("/mod/"):], "/") {
			e, _, _ = strings.Cut(e, "@")
			kept = append(kept, e)
		}
		return strings.Join(kept, "/")
	}
	if i := strings.LastIndex(dir, "/vendor/"); i >= 0 {
		return dir[i+len("/vendor/"):]
	}
	if i := strings.LastIndex(dir, "/src/"); i >= 0 {
		if pkg := dir[i+len("/src/"):]; stack.Standard(pkg+".f") || strings.Contains(pkg, ".") {
			return pkg
		}
	}
	return path.Base(dir)
}

// conclude files the crash whose goroutines did not come, if it has the shape of one.
func (f *finder) conclude() {
	l := f.lone
	f.lone = nil
	if l == nil {
		return
	}
	d := &Dump{Origin: l.origin, Lines: [2]int{l.line, l.line}, Time: l.time,
		Goroutines: []Goroutine{{State: "running", Frames: l.stack}}}
	d.GoVersion = version(d)
	head := l.head
	if says, ok := strings.CutPrefix(head[0], "runtime: "); ok && len(head) == 1 {
		head = append(head, "fatal error: "+says)
	}
	if l.files {
		head = recovered(head)
	}
	c := crash(d, head, l.exit)
	if c == nil {
		return
	}
	switch known := wholeMessage(c); {
	case strings.HasPrefix(head[0], "*** Test killed"):
	case l.origin == "panic" && !l.shaped && l.exit == 0:
		if !known && c.Fate != Lived {
			return
		}
		if c.Fate == Died { // a handler may have written it
			c.Fate = Untold
		}
	case !l.shaped && l.exit == 0 && !known:
		return
	case l.files && !strings.HasPrefix(l.head[0], observed):
		c.Fate, c.Handler = Lived, ""
	case l.files: // it panics again unless that was switched off (ReallyCrash)
		c.Fate, c.Handler = Untold, ""
	}
	if c.Timeout != nil && !c.Timeout.Listed {
		c.Timeout.Begun = f.begunTests(&l.Carrier)
	}
	c.Beside, c.Runtime = 0, l.runtime
	f.crashed.add(c, f.pay)
}

// recovered makes the lines of a panic that gin has recovered those of the runtime.
func recovered(head []string) []string {
	if strings.HasPrefix(head[0], observed) {
		if says := mentioned(head[:1]); says != "" {
			return []string{"panic: " + says}
		}
		return []string{"panic: " + strings.TrimSpace(strings.TrimPrefix(head[0], observed))}
	}
	for i := len(head) - 1; i > 0; i-- {
		if head[i] != "" {
			return []string{"panic: " + head[i]}
		}
	}
	return head
}

// wholeMessage reports whether the message of a crash is one of the runtime's own from its first
// letter to its last. Compilers print "fatal error: " too, and programs speak of what others died of.
func wholeMessage(c *Crash) bool {
	switch c.Class {
	case ExplicitPanic, RuntimeFault:
		return c.During != ""
	case OutOfMemory, StackOverflow, ThreadExhaustion, Corruption, UnlockOfUnlocked, ConcurrentMap, DeadlockClass, MappedFile:
		return wholeFatal.MatchString(c.Message) || len(c.Detail) > 0
	}
	return true
}

var wholeFatal = regexp.MustCompile(`^(?:concurrent map (?:writes|read and map write|iteration and map write)|all goroutines are asleep - deadlock!|` +
	`no goroutines \(main called runtime\.Goexit\) - deadlock!|stack overflow|thread exhaustion|newosproc|sync: (?:unlock|Unlock|RUnlock) of unlocked (?:mutex|RWMutex)|` +
	`sync: inconsistent mutex state|(?:runtime: )?out of memory(?: \([\w ]+\))?|runtime: cannot allocate memory|found (?:bad pointer in Go heap|pointer to free object).*|` +
	`unexpected signal during runtime execution|fault|runtime: cannot map pages in arena address space|runtime\.newosproc|checkptr: .*|sweep increased allocation count|deadlock: .*|POTENTIAL DEADLOCK:.*|pthread_create failed.*)$`)

// omenAt returns where in a line the message of a crash begins, or -1. Every line of every log is asked.
func omenAt(line []byte) int {
	for i := 0; ; i++ {
		j := bytes.IndexByte(line[i:], ':')
		if j < 0 {
			return -1
		}
		i += j
		before, after := line[:i], line[i+1:]
		if len(after) == 0 {
			if bytes.HasSuffix(before, []byte("POTENTIAL DEADLOCK")) {
				return i - len("POTENTIAL DEADLOCK")
			}
			if bytes.HasSuffix(before, []byte("panic recovered")) {
				return i - len("panic recovered")
			}
			return -1
		}
		if after[0] != ' ' {
			continue
		}
		after = after[1:]
		at := -1
		switch {
		case bytes.HasSuffix(before, []byte(observed[:len(observed)-1])):
			at = i - len(observed) + 1
		case bytes.HasSuffix(before, []byte("panic")):
			at = i - len("panic")
		case bytes.HasSuffix(before, []byte("fatal error")):
			at = i - len("fatal error")
		case bytes.HasSuffix(before, []byte("http")) && bytes.HasPrefix(after, []byte("panic serving ")):
			at = i - len("http")
		case bytes.HasSuffix(before, []byte("runtime")) && runtimeCause(after):
			at = i - len("runtime")
		case bytes.HasSuffix(before, []byte("runtime/cgo")) && bytes.HasPrefix(after, []byte("pthread_create failed")):
			at = i - len("runtime/cgo")
		case bytes.HasPrefix(before, []byte("*** Test killed")):
			at = 0
		case bytes.HasSuffix(before, []byte("POTENTIAL DEADLOCK")):
			at = i - len("POTENTIAL DEADLOCK")
		default:
			start := i
			for start > 0 && i-start < 10 && line[start-1] >= 'A' && line[start-1] <= 'Z' {
				start--
			}
			if i-start > 4 && bytes.HasPrefix(line[start:], []byte("SIG")) {
				at = start
			}
		}
		if at >= 0 && (at == 0 || !letter(line[at-1])) {
			return at
		}
	}
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

// runtimeCause reports whether the runtime says what it is about to die of.
func runtimeCause(says []byte) bool {
	for _, cause := range []string{"goroutine stack exceeds ", "out of memory: cannot allocate ", "failed to create new OS thread ", "program exceeds "} {
		if bytes.HasPrefix(says, []byte(cause)) {
			return true
		}
	}
	return false
}

// carried reports whether what stands before a message on its line is what a log puts there,
// a time, a host, a program, a level, and not the beginning of a sentence.
func carried(prefix []byte) bool {
	if len(bytes.Trim(prefix, " \t#*")) == 0 { // a heading or bold text of Markdown
		return true
	}
	if bytes.IndexByte(prefix, '"') >= 0 || bytes.IndexByte(prefix, '\'') >= 0 || bytes.IndexByte(prefix, '=') >= 0 || len(prefix) > 200 {
		return false
	}
	if bytes.Contains(prefix, []byte("[Recovery]")) {
		return true
	}
	rest := logline.Unstamped(prefix)
	words := bytes.Fields(rest)
	if len(words) == 0 {
		return true
	}
	plain := 0
	for _, w := range words {
		if isWord(w) && !level[string(bytes.ToUpper(w))] {
			plain++
		}
	}
	switch last := words[len(words)-1]; {
	case len(words) > 6:
		return false
	case level[string(bytes.ToUpper(last))] || bytes.HasSuffix(rest, []byte("\t")):
		return plain <= 1
	case last[len(last)-1] == ']' || last[len(last)-1] == '|' || bytes.HasSuffix(last, []byte(">")):
		return plain <= 1
	case last[len(last)-1] == ':':
		name := bytes.TrimSuffix(last, []byte(":"))
		if isWord(name) { // "shopd:", not "the child failed:"
			return plain == 0 && !saying[string(bytes.ToLower(name))]
		}
		return plain <= 1
	}
	return false
}

func isWord(w []byte) bool {
	for _, c := range w {
		if !letter(c) {
			return false
		}
	}
	return true
}

// level are the words that logs and the runtimes of containers put before a message.
var level = map[string]bool{"STDOUT": true, "STDERR": true, "F": true, "P": true, "E": true, "W": true, "I": true, "DEBUG": true, "INFO": true, "WARN": true,
	"WARNING": true, "ERROR": true, "FATAL": true, "PANIC": true, "OUT": true, "ERR": true}

// saying are words before a colon that tell of what somebody else said.
var saying = map[string]bool{"error": true, "err": true, "failed": true, "failure": true, "cause": true, "reason": true, "message": true, "msg": true,
	"got": true, "want": true, "said": true, "says": true, "output": true, "warning": true, "with": true, "from": true, "by": true, "expected": true}
