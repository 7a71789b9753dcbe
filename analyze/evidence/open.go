package evidence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/prose"
	"inquest/internal/evidence/stack"
	"inquest/recorder/manifest"
)

// Options are how to open evidence. The zero value is good.
type Options struct {
	Jobs  int       // files measured at the same time, and workers per trace; 0 for GOMAXPROCS
	Stdin io.Reader // what "-" reads; nil for os.Stdin
	Focus Focus     // what traces are read for; Focus.Narrow restricts the rest. Zero for all
	// Names gives files that were renamed since, by the path that an exhibit of each would have, the one it had; nil for none.
	Names map[string]string
	// Follow reads what symbolic links in a folder lead to when it lies outside of that folder.
	Follow bool
	// Found says that nobody named the paths: they were found by [Cases], and what
	// holds no evidence is passed over as it is in a folder.
	Found bool
	// Memory is the budget that everything read shares, also with others that are given the same;
	// nil for one of bound.Default. What does not fit is an exhibit without coverage that says so.
	Memory *bound.Memory
	// Progress is told, when not nil, how many bytes of all the files found have
	// been measured, and how many events of traces. It is called from several
	// goroutines, one at a time.
	Progress func(done, total, events int64)
}

// Open reads the evidence at the paths: files, folders, .zip and .tar archives,
// each also under gzip or zstd, and "-" for standard input. The kind of a file is told by
// its content. A bad file never fails the case: it becomes an exhibit whose
// Coverage and Problems say what is wrong. What a folder or an archive holds
// beside evidence is in PassedOver of the Bundle.
//
// Open fails only when no path is named or ctx ends; in the latter case the
// Bundle holds what had been read until then.
func Open(ctx context.Context, paths []string, opt Options) (*Bundle, error) {
	if len(paths) == 0 {
		return nil, prose.Errorf("no evidence named")
	}
	if opt.Jobs <= 0 {
		opt.Jobs = runtime.GOMAXPROCS(0)
	}
	if opt.Stdin == nil {
		opt.Stdin = os.Stdin
	}
	if opt.Memory == nil {
		opt.Memory = bound.NewMemory(bound.Default)
	}
	o := &opener{ctx: ctx, opt: opt}
	b := &Bundle{Title: title(paths)}
	o.find(paths, b)
	o.found = o.total
	nameItems(o.items)
	for _, it := range o.items {
		o.rename(it)
	}
	o.base = o.firstTrace()
	// What can be read only once comes first, one after the other.
	jobs := opt.Memory.Jobs(opt.Jobs)
	o.read(slices.DeleteFunc(slices.Clone(o.items), func(it *item) bool { return !it.once() }), 1)
	passed := o.passing.copy()
	b.Short = opt.Memory.Short()
	files := slices.DeleteFunc(slices.Clone(o.items), (*item).once)
	o.double(files)
	o.read(files, jobs)
	if short := opt.Memory.Short(); ctx.Err() == nil && (short || !opt.Memory.Fits(o.accounts())) {
		// What fits must not hang on what happened to be read at the same time.
		o.forget(files)
		o.passing.all = passed
		o.read(files, 1)
		b.Short = opt.Memory.Short() || b.Short
	}
	for _, it := range o.items {
		it.repeat()
		b.Exhibits = it.collect(b.Exhibits)
	}
	b.accounts = o.accounts()
	b.Captures = attach(o.items)
	b.PassedOver = o.passing.list()
	order(b.Exhibits)
	for i, e := range b.Exhibits {
		e.ID = fmt.Sprintf("e%d", i+1)
	}
	countOnce(b.Exhibits)
	return b, ctx.Err()
}

// read measures all items, so many at a time; one at a time in order.
func (o *opener) read(items []*item, jobs int) {
	o.slots = make(chan struct{}, jobs)
	o.opt.Jobs = jobs
	for _, it := range items {
		o.group.Go(func() error {
			o.item(it)
			return nil
		})
		if jobs == 1 {
			_ = o.group.Wait()
		}
	}
	_ = o.group.Wait()
}

// once reports whether an item can be read only once: standard input, a pipe, a device.
func (it *item) once() bool {
	if it.location == "-" || it.location == "" {
		return it.location == "-"
	}
	info, err := os.Stat(it.location)
	return err == nil && !info.Mode().IsRegular()
}

// accounts lists what all files hold of the budget, in the order of reading one by one.
func (o *opener) accounts() (all []*bound.Account) {
	var list func(items []*item)
	list = func(items []*item) {
		for _, it := range items {
			if it.account != nil {
				all = append(all, it.account)
			}
			list(it.members)
		}
	}
	for _, once := range []bool{true, false} {
		for _, it := range o.items {
			if it.once() == once {
				list([]*item{it})
			}
		}
	}
	return all
}

// forget drops what was read of items.
func (o *opener) forget(items []*item) {
	var drop func(it *item)
	drop = func(it *item) {
		it.account.Close()
		for _, m := range it.members {
			drop(m)
		}
	}
	for _, it := range items {
		drop(it)
		if it.location != "" {
			it.exhibits, it.members, it.manifest, it.account = nil, nil, nil, nil
		}
	}
	o.done, o.events, o.total = 0, 0, o.found
}

// countOnce leaves one exhibit of each that hold the same bytes, so that a folder
// which also holds its own archive does not count double.
func countOnce(exhibits []*Exhibit) {
	first := map[[3]string]*Exhibit{}
	for _, e := range exhibits {
		if e.Coverage == None || e.SHA256 == "" {
			continue
		}
		key := [3]string{e.SHA256, string(e.Kind), e.Part.String()}
		if same, ok := first[key]; ok {
			e.countedAs(same.Path)
			continue
		}
		first[key] = e
	}
}

// countedAs leaves an exhibit out because another holds the same bytes.
func (e *Exhibit) countedAs(path string) {
	e.Coverage = None
	e.Content = nil
	e.problem("the same bytes as %s, counted once", prose.Path(path))
}

// title names a case by what the user named.
func title(paths []string) string {
	if len(paths) > 1 {
		return fmt.Sprintf("%d inputs", len(paths))
	}
	if paths[0] == "-" {
		return "stdin"
	}
	if p := filepath.Base(paths[0]); p != "." && p != ".." {
		return p
	}
	if abs, err := filepath.Abs(paths[0]); err == nil {
		return filepath.Base(abs)
	}
	return paths[0]
}

// opener is one Open.
type opener struct {
	ctx   context.Context
	opt   Options
	group errgroup.Group
	slots chan struct{} // one for each file being measured
	items []*item
	base  time.Time // what the offsets of Focus count from; zero for the start of each trace

	hashOnly bool // nothing is measured, see Hash

	passing passing // what is passed over

	mu                  sync.Mutex
	done, total, events int64
	found               int64 // total before any archive was opened
}

// item is one file of the case: named, found in a folder, or member of an archive.
type item struct {
	name     string   // path of the exhibit
	parts    []string // elements of the whole path as the user gave it
	depth    int      // how many of parts the name has without a collision
	location string   // where to open it; "-" for standard input
	named    bool     // named by the user, so it is an exhibit whatever it holds
	archive  bool     // a member: archives in it are not opened
	failed   error    // it was found and could not be looked into
	followed bool     // found behind a link that leaves the folder the user named
	same     *item    // one with the same bytes, which is read in its place

	exhibits []*Exhibit
	members  []*item
	manifest *manifest.Manifest // when it is a capture's manifest
	account  *bound.Account     // what it holds of the budget
}

func (it *item) collect(into []*Exhibit) []*Exhibit {
	for _, e := range it.exhibits {
		e.Followed = it.followed
	}
	into = append(into, it.exhibits...)
	for _, m := range it.members {
		into = m.collect(into)
	}
	return into
}

// nameItems gives each file the shortest end of its path that tells it from the
// others: its path in the folder the user named, or its base name.
func nameItems(items []*item) {
	for {
		count := map[string]int{}
		for _, it := range items {
			if it.parts != nil {
				it.name = path.Join(it.parts[max(0, len(it.parts)-it.depth):]...)
			}
			count[it.name]++
		}
		longer := false
		for _, it := range items {
			if count[it.name] > 1 && it.depth < len(it.parts) {
				it.depth++
				longer = true
			}
		}
		if !longer {
			return
		}
	}
}

// rename gives a file back the name it had.
func (o *opener) rename(it *item) {
	if name, ok := o.opt.Names[it.name]; ok {
		it.name = name
	}
}

// order sorts by kind, time and path. Exhibits without a time stand behind those
// with one, in the order they were found.
func order(exhibits []*Exhibit) {
	rank := func(k Kind) int {
		if i := slices.Index(Kinds, k); i >= 0 {
			return i
		}
		return len(Kinds)
	}
	slices.SortStableFunc(exhibits, func(a, b *Exhibit) int {
		if c := cmp.Compare(rank(a.Kind), rank(b.Kind)); c != 0 {
			return c
		}
		switch az, bz := a.CapturedAt.IsZero(), b.CapturedAt.IsZero(); {
		case az && bz:
			return 0
		case az:
			return 1
		case bz:
			return -1
		}
		if c := a.CapturedAt.Compare(b.CapturedAt); c != 0 {
			return c
		}
		return cmp.Compare(a.Path, b.Path)
	})
}

// mostHoles is how much of a file may be holes: zeros are read at about a gigabyte a second, and a file can claim any number of them.
const mostHoles = 1 << 30

// item opens and measures one file of the case.
func (o *opener) item(it *item) {
	if it.location == "" || it.same != nil { // it could not even be found, or is read under another name
		return
	}
	if it.failed != nil {
		it.fail(&Exhibit{Path: it.name}, "%s", cause(it.failed))
		return
	}
	if !o.enter(it) {
		return
	}
	left := false
	leave := func() {
		if !left {
			left = true
			<-o.slots
		}
	}
	defer leave()
	defer it.guard(&Exhibit{Path: it.name})
	if it.location == "-" {
		o.stream(it, o.interruptible(o.opt.Stdin), leave)
		return
	}
	f, info, err := openFile(it.location)
	if err != nil {
		it.fail(&Exhibit{Path: it.name}, "%s", cause(err))
		return
	}
	if !info.Mode().IsRegular() {
		defer f.Close()
		r, release := o.fromFile(f, info)
		defer release()
		o.stream(it, r, leave)
		return
	}
	if info.Size() > mostHoles {
		if empty := holes(f, info.Size()); empty > mostHoles {
			_ = f.Close()
			it.fail(&Exhibit{Path: it.name, Bytes: info.Size()}, "%s of it were never written (holes, which read as zeros), and it was not read: pass on what is there with tr -d '\\000' < FILE | inquest analyze -", Of(empty, Bytes))
			return
		}
	}
	c := &source{ReaderAt: f, size: info.Size(), done: f.Close}
	defer c.close()
	o.measure(it, c, nil, leave)
}

// enter waits for a slot; it fails when the context has ended.
func (o *opener) enter(it *item) bool {
	select {
	case <-o.ctx.Done():
	case o.slots <- struct{}{}:
		if o.ctx.Err() == nil {
			return true
		}
		<-o.slots
	}
	it.fail(&Exhibit{Path: it.name}, "not read: interrupted")
	return false
}

// limited ends a stream when the context does.
func (o *opener) limited(r io.Reader) io.Reader {
	return readerFunc(func(p []byte) (int, error) {
		if err := o.ctx.Err(); err != nil {
			return 0, err
		}
		return r.Read(p)
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// advance reports progress: bytes measured, bytes found, events read.
func (o *opener) advance(done, found, events int64) {
	if o.opt.Progress == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.done += done
	o.total += found
	o.events += events
	o.opt.Progress(o.done, o.total, o.events)
}

// fail files an exhibit that could not be used.
func (it *item) fail(e *Exhibit, format prose.Format, args ...any) {
	if e.Kind == "" {
		e.Kind = Unknown
	}
	e.Coverage = None
	e.Content = nil
	e.problem(format, args...)
	it.exhibits = append(it.exhibits, e)
}

// problem notes what is wrong with an exhibit, its path first.
func (e *Exhibit) problem(format prose.Format, args ...any) {
	where := prose.Path(e.Path).Text()
	if e.Part != "" {
		where += " " + e.Part
	}
	why := prose.Textf(format, args...)
	e.Problems, e.whys = append(e.Problems, where+": "+why), append(e.whys, why)
}

// Whys are what was wrong with it, without its path.
func (e *Exhibit) Whys() []prose.Text { return e.whys }

// guard turns a panic of a reader into a problem of its exhibit: a bug of ours
// on one file must not take the others with it.
func (it *item) guard(e *Exhibit) {
	if r := recover(); r != nil {
		it.exhibits = nil
		it.account.Close()
		it.fail(e, "could not be read: the reader failed (%v) at %s; please report it", r, stack.Origin(debug.Stack()))
	}
}

// rescue turns a panic into an error, for a goroutine that it would end the process in.
func rescue(err *error) {
	if r := recover(); r != nil {
		*err = prose.Errorf("the reader failed (%v) at %s; please report it", r, stack.Origin(debug.Stack()))
	}
}

// cause returns an error of the file system without its operation and path.
func cause(err error) prose.Text {
	var p *fs.PathError
	if errors.As(err, &p) {
		return prose.Textf("%v", p.Err)
	}
	return prose.Textf("%v", err)
}
