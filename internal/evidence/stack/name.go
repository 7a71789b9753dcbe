package stack

import (
	"regexp"
	"strings"
)

// SameFunction reports whether two functions are one or closures of one.
func SameFunction(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+".") || strings.HasPrefix(b, a+".")
}

// MethodType returns the receiver type of a method, such as main.(*Cache).
func MethodType(function string) (string, bool) {
	typ := TypeOf(function)
	return typ, strings.HasSuffix(typ, ")")
}

// TypeOf cuts the method off a function name: locks are mostly taken by the
// methods of one type, or by the functions of one package.
func TypeOf(function string) string {
	if i := strings.LastIndexByte(function, '.'); i > 0 {
		return function[:i]
	}
	return function
}

// ReceiverType returns the pointer type that a method or a closure in it belongs to,
// such as main.(*Cache); "" for other functions.
func ReceiverType(function string) string {
	if i := strings.Index(function, ".(*"); i > 0 {
		if j := strings.IndexByte(function[i:], ')'); j > 0 {
			return function[:i+j+1]
		}
	}
	return ""
}

// Names is a set of functions, one a word.
func Names(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// Normal returns the name that every kind of evidence, and every build with
// other inlining decisions, agrees on for a function:
//
//	main.(*Store).Update.func1.2      -> main.(*Store).Update
//	main.Update.deferwrap1            -> main.Update
//	main.(*Cache[go.shape.int]).Get   -> main.(*Cache[...]).Get
//	main.main.(*Store).Tenant.func2   -> main.(*Store).Tenant
//	gopkg.in/nats%2ego.Publish        -> gopkg.in/nats.go.Publish
//	sync.(*RWMutex).Unlock (partial-inline) -> sync.(*RWMutex).Unlock
//
// The suffixes are those the compiler gives to closures and wrappers
// (cmd/compile/internal/ir/func.go, closureName). A closure of an inlined function
// is named after the functions it was inlined into as well, and after their
// package: where a name leaves open which is which, it is kept.
//
// The closures written in main.main keep their own first name, such as
// main.main.func2: they are what a small program consists of, while main.main
// itself only waits for them.
//
// A name that is normal already stays as it is. Most need no memory.
func Normal(function string) string {
	if plain(function) {
		return function
	}
	return look(function).normal
}

func normalise(function string) string {
	name := strings.TrimSuffix(function, " (partial-inline)")
	if strings.HasPrefix(name, "[") { // code without symbols
		return name
	}
	if strings.IndexByte(name, '[') >= 0 {
		name = foldTypeArguments(name)
	}
	dir, base := splitPath(name)
	dot := strings.IndexByte(base, '.')
	if dot > 0 {
		symbol := base[dot+1:]
		if cut := cutSuffixes(symbol); len(cut) < len(symbol) {
			switch cut {
			case "main":
				cut = firstClosure(symbol)
			case "func": // func·028: up to Go 1.4 closures are named after nothing but their package
				cut = symbol
			}
			name = name[:len(name)-len(symbol)+len(cut)]
			if i := inlinedInto(cut); i > 0 {
				name = dir + base[:dot+1] + cut[i:]
			}
		}
	}
	if strings.IndexByte(name, '%') >= 0 {
		name = escapes.Replace(name)
	}
	return name
}

// plain reports whether a name is sure to be normal by its end and its letters: most
// are, and every frame of a large profile is asked.
func plain(name string) bool {
	n := len(name)
	for n > 0 && '0' <= name[n-1] && name[n-1] <= '9' {
		n--
	}
	if n == 0 {
		return n == len(name)
	}
	switch last := name[n-1]; {
	case n == len(name):
		if last == 'm' && strings.HasSuffix(name, "-fm") || last == ')' {
			return false
		}
	// The last letters of what stands before the number of a closure or wrapper.
	case last == 'c' || last == 'p' || last == 'e' || last == '.' || last == "·"[len("·")-1]:
		return false
	}
	return strings.IndexByte(name, '[') < 0 && strings.IndexByte(name, '%') < 0
}

// escapes undoes what the linker writes for the dots of a path's last element
// (cmd/internal/objabi/path.go, PathToPrefix).
var escapes = strings.NewReplacer("%2e", ".", "%22", `"`, "%25", "%")

// cutSuffixes removes what the compiler appends to the name of the function that
// a closure or wrapper belongs to: .func1, .func1.2, .gowrap1, .deferwrap1,
// -range1, -fm, and ·1 and ·dwrap·1 of older releases. A name that is nothing
// else is kept.
func cutSuffixes(symbol string) string {
	for {
		cut := strings.TrimSuffix(symbol, "-fm")
		n := len(cut)
		for n > 0 && '0' <= cut[n-1] && cut[n-1] <= '9' {
			n--
		}
		if n < len(cut) {
			cut = cut[:n]
			for _, mark := range []string{".func", ".gowrap", ".deferwrap", "-range", "·dwrap·", "·", "."} {
				if strings.HasSuffix(cut, mark) {
					cut = cut[:n-len(mark)]
					break
				}
			}
			if len(cut) == n { // the digits belong to the name
				return symbol
			}
		}
		if cut == symbol || cut == "" {
			return symbol
		}
		symbol = cut
	}
}

// firstClosure returns the name of the outermost closure in a symbol of the
// entry point: main.func2 of main.func2.1.gowrap3. A wrapper alone is the entry point.
func firstClosure(symbol string) string {
	rest, ok := strings.CutPrefix(symbol, "main.func")
	after := strings.TrimLeft(rest, "0123456789")
	if !ok || len(after) == len(rest) {
		return "main"
	}
	return symbol[:len(symbol)-len(after)]
}

// inlinedInto returns the length of the callers' names in front of the name of a
// closure's function, as in main.(*Store).Tenant, or 0 when there are none or it
// cannot be told: handle.flush may be a function in a function or a method.
func inlinedInto(symbol string) int {
	if i := strings.LastIndex(symbol, ".(*"); i > 0 {
		return i + 1
	}
	if strings.HasPrefix(symbol, "main.") { // no type is called main
		if caller := firstClosure(symbol); len(caller) < len(symbol) {
			return len(caller) + 1
		}
	}
	return 0
}

// splitPath cuts a name after the last slash that belongs to the import path.
func splitPath(name string) (dir, base string) {
	end := len(name)
	for _, open := range []byte("[(") {
		if i := strings.IndexByte(name[:end], open); i >= 0 {
			end = i
		}
	}
	i := strings.LastIndexByte(name[:end], '/')
	return name[:i+1], name[i+1:]
}

// foldTypeArguments replaces what stands between the outermost brackets by "...".
func foldTypeArguments(name string) string {
	if i := strings.IndexByte(name, '['); strings.HasPrefix(name[i:], "[...]") && strings.IndexByte(name[i+1:], '[') < 0 {
		return name
	}
	var b strings.Builder
	depth := 0
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c == '[':
			if depth == 0 {
				b.WriteString("[...]")
			}
			depth++
		case c == ']' && depth > 0:
			depth--
		case depth == 0:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Package returns the import path of a function name.
func Package(function string) string { return look(function).pkg }

func packageOf(function string) string {
	dir, base := splitPath(function)
	dot := strings.IndexByte(base, '.')
	if dot < 0 {
		dot = len(base)
	}
	pkg := function[:len(dir)+dot]
	if strings.IndexByte(pkg, '%') >= 0 {
		pkg = escapes.Replace(pkg)
	}
	return pkg
}

// Standard reports whether a function belongs to Go's standard library. An
// import path belongs to it when its first element is one of the library's own
// (go list std); user modules carry a dot there or are named otherwise. Code
// without a package does too: see [bare].
func Standard(function string) bool { return look(function).standard }

func isStandard(function, pkg string) bool {
	if bare(function) {
		return true
	}
	first, _, _ := strings.Cut(pkg, "/")
	return standard[first]
}

// bare reports whether a name has no package: local symbols of the library's
// assembly (memeqbody, gcWriteBarrier), panic as the runtime prints gopanic, C functions, and
// code without symbols, written "[library]". No application's Go code is named so.
func bare(function string) bool {
	_, base := splitPath(function)
	return strings.IndexByte(base, '.') < 0 || strings.HasPrefix(function, "[")
}

var standard = set(`archive arena bufio bytes cmp compress container context crypto database debug
	embed encoding errors expvar flag fmt go hash html image index internal io iter log maps math
	mime net os path plugin reflect regexp runtime simd slices sort strconv strings structs sync
	syscall testing text time unicode unique unsafe uuid vendor weak type`)

// Plumbing reports whether a function is machinery that code stands on rather
// than a place anyone would look for a cause: the runtime, locks, the thin
// wrappers over reads, writes and sleeps, and those that cgo makes for the functions of C
// (cmd/cgo/out.go: _Cfunc_, _C2func_). It is the one list of its kind.
func Plumbing(function string) bool { return look(function).plumbing }

func isPlumbing(function, normal, pkg string) bool {
	if bare(function) || plumbingPackages[pkg] || strings.HasPrefix(pkg, "internal/runtime/") ||
		strings.HasPrefix(pkg, "internal/syscall/") || strings.HasPrefix(pkg, "runtime/internal/") {
		return true
	}
	return plumbingFunctions[normal] || strings.HasPrefix(function[min(len(pkg), len(function)):], "._C")
}

var plumbingPackages = set(`runtime sync internal/sync sync/atomic syscall internal/poll internal/race
	internal/abi internal/bytealg internal/cpu internal/reflectlite internal/synctest type
	golang.org/x/sync/errgroup golang.org/x/sync/semaphore golang.org/x/sync/singleflight golang.org/x/sys/unix`)

// Wrappers that only pass a read or a write on (os/file.go, io/io.go, bufio/bufio.go, net/net.go, crypto/tls/conn.go).
var plumbingFunctions = set(`time.Sleep
	os.(*File).Read os.(*File).read os.(*File).Write os.(*File).write os.(*File).Close os.(*File).ReadAt os.(*File).Sync
	os.(*File).WriteString os.(*File).WriteAt os.(*File).pread os.(*File).pwrite os.(*File).ReadFrom os.(*File).readFrom
	os.(*File).WriteTo os.(*File).writeTo os.genericReadFrom os.genericWriteTo
	io.ReadFull io.ReadAtLeast io.ReadAll io.Copy io.CopyN io.CopyBuffer io.copyBuffer io.WriteString
	io.(*LimitedReader).Read io.(*SectionReader).Read io.(*teeReader).Read io.(*multiReader).Read io.(*multiWriter).Write
	bufio.(*Reader).Read bufio.(*Reader).ReadByte bufio.(*Reader).ReadLine bufio.(*Reader).ReadSlice bufio.(*Reader).ReadString
	bufio.(*Reader).ReadBytes bufio.(*Reader).ReadRune bufio.(*Reader).Peek bufio.(*Reader).Discard bufio.(*Reader).fill
	bufio.(*Reader).collectFragments bufio.(*Reader).WriteTo bufio.(*Reader).writeBuf
	bufio.(*Writer).Write bufio.(*Writer).Flush bufio.(*Writer).WriteString bufio.(*Writer).WriteByte bufio.(*Writer).WriteRune
	bufio.(*Writer).ReadFrom bufio.(*Scanner).Scan
	net.(*conn).Read net.(*conn).Write net.(*conn).Close net.(*netFD).Read net.(*netFD).Write net.(*netFD).Close
	net.(*netFD).accept net.(*netFD).connect net.(*TCPConn).ReadFrom net.(*TCPConn).readFrom net.genericReadFrom
	crypto/tls.(*Conn).Read crypto/tls.(*Conn).Write crypto/tls.(*Conn).readRecord crypto/tls.(*Conn).readRecordOrCCS
	crypto/tls.(*Conn).readFromUntil crypto/tls.(*Conn).write crypto/tls.(*Conn).writeRecordLocked crypto/tls.(*Conn).flush
	crypto/tls.(*atLeastReader).Read bytes.(*Buffer).ReadFrom`)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// GoVersion returns the Go release that a source file of the standard library
// names in its path, such as "go1.24.9", or "": a downloaded toolchain and
// golang.org/dl keep their sources under the release's name.
func GoVersion(file string) string {
	if !strings.Contains(file, "go1.") {
		return ""
	}
	if m := goRoot.FindStringSubmatch(file); m != nil {
		return m[1]
	}
	return ""
}

var goRoot = regexp.MustCompile(`(?:/|toolchain@v[\d.]+-)(go1\.\d+(?:\.\d+|(?:rc|beta)\d+)?)(?:\.[a-z0-9]+-[a-z0-9]+)?/src/`)
