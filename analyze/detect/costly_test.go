package detect

import (
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/detect/memory"
	"inquest/analyze/detect/processor"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
)

func TestSliceRegrowth(t *testing.T) {
	grow := []string{"runtime.memmove", "runtime.growslice", "main.f"}
	// What append makes of a slice of 8-byte elements, with and without its steps of less than a doubling.
	appended := func(n int64, sizes ...int64) (rows []Row) {
		for _, s := range sizes {
			rows = append(rows, Objects(s, n, 0, "main.f:7"))
		}
		return append(rows, Objects(64, 10, 10, "main.g"))
	}
	whole := []int64{512, 1024, 2048, 4096, 6784, 9472, 12288, 16384, 21760, 28672}
	doubling := []int64{512, 1024, 2048, 4096, 8192, 16384, 32768}
	dense := []int64{1024, 1152, 1280, 1408, 1536, 1792, 2048, 2304, 2688, 3072}
	ExpectAll(t, memory.SliceRegrowth, []Expect{
		{"a tenth of the CPU", Of(ProfileOf(200, 2000, grow...), Procs()), claim.Found, "warning main.f"},
		{"a twentieth", Of(ProfileOf(100, 2000, grow...), Procs()), claim.Found, "info main.f"},
		{"less", Of(ProfileOf(99, 2000, grow...), Procs()), claim.Clear, ""},
		{"of a process that hardly runs", Of(ProfileOf(50, 300, grow...), Procs()), claim.Clear, ""},
		{"room that was asked for", Of(ProfileOf(200, 2000, "bytes.growSlice", "bytes.(*Buffer).grow", "bytes.(*Buffer).Grow", "main.f"), Procs()), claim.Clear, ""},
		{"a builder made with its size", Of(ProfileOf(200, 2000, "strings.(*Builder).grow", "strings.(*Builder).Grow", "main.f"), Procs()), claim.Clear, ""},
		{"a buffer that is written to", Of(ProfileOf(200, 2000, "bytes.growSlice", "bytes.(*Buffer).grow", "bytes.(*Buffer).WriteString", "fmt.Fprintf", "main.f"), Procs()), claim.Found, "warning main.f"},
		{"an encoder's own buffer", Of(ProfileOf(200, 2000, "runtime.growslice", "encoding/json.(*encodeState).marshal", "encoding/json.Marshal", "main.f"), Procs()), claim.Clear, ""},
		{"too few samples", Of(ProfileOf(50, 99, grow...), Procs()), claim.Undecided, ""},
		{"a buffer of the standard library is its caller's", Of(ProfileOf(200, 2000, "runtime.growslice", "bytes.growSlice", "bytes.(*Buffer).grow", "bytes.(*Buffer).Write", "main.f"), Procs()), claim.Found, "warning main.f"},
		{"marking for the collector on the way", Of(ProfileOf(200, 2000, "runtime.gcDrainN", "runtime.gcAssistAlloc", "runtime.mallocgc", "runtime.growslice", "main.f"), Procs()), claim.Clear, ""},
		{"what a slice's owner calls is not growing", Of(ProfileOf(200, 2000, "main.less", "slices.SortFunc", "main.f"), Procs()), claim.Clear, ""},
		{"append's steps in the heap", Of(HeapAt(0), HeapAt(10, appended(2000, whole...)...)), claim.Found, "info main.f"},
		{"at a low rate", Of(HeapAt(0), HeapAt(10, appended(900, whole...)...)), claim.Undecided, ""},
		{"tables of maps that double", Of(HeapAt(0), HeapAt(10, appended(9000, doubling...)...)), claim.Undecided, ""},
		{"strings added to strings", Of(HeapAt(0), HeapAt(10, appended(9000, dense...)...)), claim.Undecided, ""},
		{"one profile has no rate", Of(HeapAt(0, appended(9000, whole...)...)), claim.Undecided, ""},
	})
}

func TestSyncMapChurn(t *testing.T) {
	const tree = "internal/sync.(*HashTrieMap[go.shape.interface {},go.shape.interface {}])."
	store := []string{"runtime.mallocgc", "runtime.newobject", "internal/sync.newEntryNode[go.shape.interface {},go.shape.interface {}]", tree + "Swap", "sync.(*Map).Store", "main.f"}
	ExpectAll(t, memory.SyncMapChurn, []Expect{
		{"a tenth of the CPU", Of(ProfileOf(200, 2000, store...), Procs()), claim.Found, "warning main.f"},
		{"less than a twentieth", Of(ProfileOf(99, 2000, store...), Procs()), claim.Clear, ""},
		{"as many reads as writes", Of(CPUProfile(CPU(200, store...), CPU(200, tree+"Load", "sync.(*Map).Load", "main.f"), CPU(1600, "main.work")), Procs()), claim.Found, "warning main.f"},
		{"more reads than writes", Of(CPUProfile(CPU(200, store...), CPU(201, tree+"Load", "sync.(*Map).Load", "main.f"), CPU(1600, "main.work")), Procs()), claim.Found, "info main.f"},
		{"reads", Of(ProfileOf(900, 2000, tree+"Load", "sync.(*Map).Load", "main.f"), Procs()), claim.Clear, ""},
		{"LoadOrStore that finds", Of(ProfileOf(900, 2000, tree+"LoadOrStore", "sync.(*Map).LoadOrStore", "main.f"), Procs()), claim.Clear, ""},
		{"LoadOrStore that makes", Of(ProfileOf(200, 2000, "internal/sync.newEntryNode[go.shape.interface {},go.shape.interface {}]", tree+"LoadOrStore", "sync.(*Map).LoadOrStore", "main.f"), Procs()), claim.Found, "warning main.f"},
		{"before Go 1.24", Of(ProfileOf(200, 2000, "sync.(*Map).dirtyLocked", "sync.(*Map).Swap", "sync.(*Map).Store", "main.f"), Procs()), claim.Found, "warning main.f"},
		{"what Range calls", Of(ProfileOf(900, 2000, "main.each", tree+"Range", "sync.(*Map).Range", "main.f"), Procs()), claim.Clear, ""},
		{"a map of the program's own", Of(ProfileOf(900, 2000, "runtime.mallocgc", "main.(*Map).Store", "main.f"), Procs()), claim.Clear, ""},
		{"most bytes are for it", Of(HeapAt(0), HeapAt(10, Objects(64, 3_000_000, 10, store[2:]...), Objects(64, 10, 10, "main.g"))), claim.Found, "info main.f"},
		{"fewer bytes are for it", Of(HeapAt(0), HeapAt(10, Objects(64, 3_000_000, 10, store[2:]...), Objects(64, 8_000_000, 10, "main.g"))), claim.Undecided, ""},
		{"its locks alone accuse nobody", Of(Profiled(evidence.Mutex, 0, Row{Values: []int64{900, 1e9}, Stack: Frames("internal/sync.(*Mutex).Unlock", tree+"Swap", "sync.(*Map).Store", "main.f")})), claim.Undecided, ""},
	})
}

func TestRepeatedSetup(t *testing.T) {
	compile := []string{"regexp/syntax.(*parser).push", "regexp/syntax.Parse", "regexp.compile", "regexp.Compile", "regexp.MustCompile", "main.f"}
	ExpectAll(t, processor.RepeatedSetup, []Expect{
		{"a tenth of the CPU", Of(ProfileOf(200, 2000, compile...), Procs()), claim.Found, "warning main.f"},
		{"a twentieth", Of(ProfileOf(100, 2000, compile...), Procs()), claim.Found, "info main.f"},
		{"less", Of(ProfileOf(99, 2000, compile...), Procs()), claim.Clear, ""},
		{"of a process that hardly runs", Of(ProfileOf(50, 300, compile...), Procs()), claim.Clear, ""},
		{"at the start", Of(ProfileOf(900, 2000, append(append([]string{}, compile[:5]...), "main.init", "runtime.doInit1", "runtime.doInit", "runtime.main")...), Procs()), claim.Clear, ""},
		{"using what was set up", Of(ProfileOf(900, 2000, "regexp.(*machine).step", "regexp.(*Regexp).MatchString", "main.f"), Procs()), claim.Clear, ""},
		{"who connects to a server brings a certificate", Of(ProfileOf(900, 2000, "crypto/x509.ParseCertificate", "crypto/tls.(*Conn).serverHandshake", "crypto/tls.(*Conn).handshakeContext", "main.f"), Procs()), claim.Clear, ""},
		{"half of the bytes are for it", Of(HeapAt(0), HeapAt(10, Objects(1024, 300_000, 10, compile...), Objects(1024, 300_000, 10, "main.g"))), claim.Found, "warning main.f"},
		{"a little less", Of(HeapAt(0), HeapAt(10, Objects(1024, 300_000, 10, compile...), Objects(1024, 301_000, 10, "main.g"))), claim.Found, "info main.f"},
		{"at a low rate", Of(HeapAt(0), HeapAt(10, Objects(1024, 90_000, 10, compile...))), claim.Undecided, ""},
	})
	f := Judge(t, processor.RepeatedSetup, ProfileOf(200, 2000, compile...), Procs()).All.Findings
	if len(f) != 1 || f[0].Variant != "regular expression" {
		t.Errorf("%+v", f)
	}
}

// TestConnectionChurn holds making connections apart from using them and from what a server must do.
func TestConnectionChurn(t *testing.T) {
	on := func(n int64, names ...string) []*evidence.Exhibit { return Of(ProfileOf(n, 2000, names...), Procs()) }
	driver := []string{"example.com/db.(*conn).start", "example.com/db.(*connector).Connect", "database/sql.(*DB).conn", "database/sql.(*DB).QueryContext", "main.f"}
	ExpectAll(t, processor.ConnectionChurn, []Expect{
		{"a tenth of the CPU in handshakes", on(200, "crypto/x509.ParseCertificate", "crypto/tls.(*Conn).clientHandshake", "crypto/tls.(*Conn).handshakeContext", "main.f"), claim.Found, "warning main.f"},
		{"a twentieth", on(100, "crypto/tls.(*Conn).clientHandshake", "main.f"), claim.Found, "info main.f"},
		{"less", on(99, "crypto/tls.(*Conn).clientHandshake", "main.f"), claim.Clear, ""},
		{"a process that hardly runs", Of(ProfileOf(50, 300, "crypto/tls.(*Conn).clientHandshake", "main.f"), Procs()), claim.Clear, ""},
		{"dialling", on(200, "syscall.connect", "net.(*netFD).connect", "net.(*sysDialer).doDialTCP", "net.(*Dialer).DialContext", "main.f"), claim.Found, "warning main.f"},
		{"a driver that database/sql asks for a connection", on(200, driver...), claim.Found, "warning example.com/db.(*conn).start"},
		{"a connection of database/sql that is closed after its call", on(200, "example.com/db.(*conn).Close", "database/sql.(*driverConn).finalClose", "database/sql.(*DB).putConn", "database/sql.(*Rows).Close", "main.f"), claim.Found, "warning example.com/db.(*conn).Close"},
		{"a query on a connection that is kept", on(200, "example.com/db.(*conn).query", "database/sql.ctxDriverQuery", "database/sql.(*DB).QueryContext", "main.f"), claim.Clear, ""},
		{"the server's half", on(200, "crypto/tls.(*Conn).serverHandshake", "main.f"), claim.Clear, ""},
		{"net/http's own goroutine", on(200, "crypto/tls.(*Conn).clientHandshake", "net/http.(*persistConn).addTLS.func2"), claim.Found, "warning crypto/tls.(*Conn).clientHandshake"},
	})
}
