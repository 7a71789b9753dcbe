package evidence

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"inquest/internal/evidence/prose"
)

// PassedOver is what a folder or an archive holds and the case does not, for one reason.
type PassedOver struct {
	Reason   string
	Count    int
	Examples []string // paths as of exhibits, sorted; the first of them when there are many
}

// String is a line that names them.
func (p PassedOver) String() string {
	more := ""
	if n := p.Count - len(p.Examples); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("passed over, %s: %s%s", p.Reason, strings.Join(p.Examples, ", "), more)
}

// The reasons for which something found in a folder or an archive is passed over. All
// else is read, and what of it cannot be used is an exhibit with a problem.
const (
	ofVersionControl = "folder of version control"
	ofInquest        = "report or other output of inquest"
	ofGo             = "Go source"
	aProgram         = "executable"
	noEvidence       = "text that holds no evidence"
	noKind           = "of no kind that inquest reads"
	isEmpty          = "empty"
	isFIFO           = "FIFO, read when it is named itself"
	isSocket         = "socket"
	isDevice         = "device, read when it is named itself"
	isSpecial        = "neither file nor folder"
	linkOut          = "symbolic link that leaves the folder, followed with --follow"
	linkAgain        = "reached again by a symbolic link, read once"
	linkNowhere      = "symbolic link to nothing"
	linkInArchive    = "link in an archive"
)

// versionControl is the folders in which programs keep the history of others.
var versionControl = map[string]bool{".git": true, ".hg": true, ".svn": true, ".jj": true, ".bzr": true, "CVS": true}

// special is the reason to pass over what a folder holds beside files, folders and links.
func special(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return isFIFO
	case mode&fs.ModeSocket != 0:
		return isSocket
	case mode&fs.ModeDevice != 0:
		return isDevice
	}
	return isSpecial
}

// maxExamples is how many of what is passed over for one reason are named.
const maxExamples = 3

// passing collects what is passed over. Members of archives arrive from several goroutines.
type passing struct {
	mu  sync.Mutex
	all map[string]*PassedOver
}

func (p *passing) add(reason, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all == nil {
		p.all = map[string]*PassedOver{}
	}
	of := p.all[reason]
	if of == nil {
		of = &PassedOver{Reason: reason}
		p.all[reason] = of
	}
	of.Count++
	// The first by name, whatever order they arrive in.
	i, _ := slices.BinarySearch(of.Examples, name)
	of.Examples = slices.Insert(of.Examples, i, name)
	of.Examples = of.Examples[:min(len(of.Examples), maxExamples)]
}

// copy returns what was passed over so far, apart from what comes.
func (p *passing) copy() map[string]*PassedOver {
	all := maps.Clone(p.all)
	for reason, of := range all {
		one := *of
		one.Examples = slices.Clone(of.Examples)
		all[reason] = &one
	}
	return all
}

// list returns what was passed over, in the order of the reasons.
func (p *passing) list() []PassedOver {
	var out []PassedOver
	for _, of := range p.all {
		out = append(out, *of)
	}
	slices.SortFunc(out, func(a, b PassedOver) int { return strings.Compare(a.Reason, b.Reason) })
	return out
}

// maxFiles bounds how many files a folder, and how many members an archive, may bring.
const maxFiles = 10_000

// maxEntries bounds how many names the folders of one path may hold.
const maxEntries = 1_000_000

// find lists the files at the paths.
func (o *opener) find(paths []string, b *Bundle) {
	seen := map[string]bool{}
	add := func(it *item) {
		key := it.location
		if abs, err := filepath.Abs(it.location); err == nil && key != "-" {
			key = abs
		}
		if !seen[key] { // naming a folder and a file in it is no reason to count the file twice
			seen[key] = true
			o.items = append(o.items, it)
		}
	}
	fail := func(p string, err error) {
		if seen[p] {
			return
		}
		seen[p] = true
		b.Unreadable = append(b.Unreadable, p)
		it := &item{name: p, named: true}
		it.fail(&Exhibit{Path: p}, "%s", cause(err))
		o.items = append(o.items, it)
	}
	for _, p := range paths {
		if p == "-" {
			add(&item{parts: []string{"stdin"}, depth: 1, location: p, named: true})
			continue
		}
		info, err := os.Stat(p)
		switch {
		case err != nil:
			fail(p, err)
		case info.IsDir():
			if err := o.walk(p, add); err != nil {
				fail(p, err)
			}
		default:
			if info.Mode().IsRegular() {
				f, err := os.Open(p)
				if err != nil {
					fail(p, err)
					continue
				}
				_ = f.Close()
				o.total += info.Size()
			}
			add(&item{parts: elements(p), depth: 1, location: p, named: !o.opt.Found})
		}
	}
}

// walk finds the files of a folder, in the order of their names.
func (o *opener) walk(root string, add func(*item)) error {
	w, err := o.at(root, add)
	if err != nil {
		return err
	}
	if err := w.folder(root, w.real, nil, false); err != nil {
		return err
	}
	for len(w.links) > 0 { // a followed folder may hold more of them
		l := w.links[0]
		w.links = w.links[1:]
		if err := w.link(l); err != nil {
			return err
		}
	}
	return nil
}

// at begins a walk.
func (o *opener) at(root string, add func(*item)) (*walk, error) {
	real, err := filepath.EvalSymlinks(root)
	if err == nil {
		real, err = filepath.Abs(real)
	}
	return &walk{o: o, add: add, root: root, real: real, read: map[string]bool{}}, err
}

// walk is the way through one folder that the user named.
type walk struct {
	o          *opener
	add        func(*item)
	root, real string          // as named; without links
	read       map[string]bool // files and folders that are read, without links
	links      []link          // to be looked at when all else is found
	files      int
	entries    int
}

type link struct {
	path     string
	rel      []string // elements of its path below the root
	followed bool     // found behind another one
}

var (
	errFiles   = prose.Errorf("more than %d files", maxFiles)
	errEntries = prose.Errorf("more than %d names in it and its folders", maxEntries)
)

// folder goes through a folder; real is its path without links. It fails when the
// root cannot be listed or there is too much in it.
func (w *walk) folder(dir, real string, rel []string, followed bool) error {
	if w.read[real] { // a followed link led to a folder around it
		w.o.passing.add(linkAgain, path.Join(rel...))
		return nil
	}
	w.read[real] = true
	entries, err := w.list(dir)
	switch {
	case err != nil && (len(rel) == 0 || errors.Is(err, errEntries)):
		return err
	case err != nil:
		it := w.item(dir, rel, followed)
		it.failed = err
		w.add(it)
	}
	for _, d := range entries {
		name := d.Name()
		p, rel := filepath.Join(dir, name), append(slices.Clip(rel), name)
		switch mode := d.Type(); {
		case mode.IsDir() && versionControl[name]:
			w.o.passing.add(ofVersionControl, path.Join(rel...))
		case mode.IsDir():
			if err := w.folder(p, filepath.Join(real, name), rel, followed); err != nil {
				return err
			}
		case mode&fs.ModeSymlink != 0:
			w.links = append(w.links, link{p, rel, followed})
		case mode.IsRegular():
			if err := w.file(p, filepath.Join(real, name), rel, followed); err != nil {
				return err
			}
		default:
			w.o.passing.add(special(mode), path.Join(rel...))
		}
	}
	return nil
}

// list returns what a folder holds by name, also what could be listed before an error.
func (w *walk) list(dir string) ([]fs.DirEntry, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []fs.DirEntry
	for {
		some, err := f.ReadDir(1024)
		all = append(all, some...)
		if w.entries += len(some); w.entries > maxEntries {
			return nil, errEntries
		}
		if err == io.EOF {
			err = nil
		} else if err == nil {
			continue
		}
		slices.SortFunc(all, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		return all, err
	}
}

func (w *walk) item(p string, rel []string, followed bool) *item {
	return &item{parts: append(elements(w.root), rel...), depth: len(rel), location: p, followed: followed}
}

func (w *walk) file(p, real string, rel []string, followed bool) error {
	if w.read[real] {
		w.o.passing.add(linkAgain, path.Join(rel...))
		return nil
	}
	w.read[real] = true
	if w.files++; w.files > maxFiles {
		return errFiles
	}
	if info, err := os.Stat(p); err == nil {
		w.o.total += info.Size()
	}
	w.add(w.item(p, rel, followed))
	return nil
}

// link goes where a symbolic link leads.
func (w *walk) link(l link) error {
	name := path.Join(l.rel...)
	to, reason, err := w.target(l)
	switch {
	case err != nil:
		it := w.item(l.path, l.rel, l.followed)
		it.failed = err
		w.add(it)
		return nil
	case reason != "":
		w.o.passing.add(reason, name)
		return nil
	case to.dir:
		return w.folder(l.path, to.real, l.rel, l.followed || to.outside)
	}
	return w.file(l.path, to.real, l.rel, l.followed || to.outside)
}

// target is where a symbolic link leads.
type target struct {
	real    string
	dir     bool // it is a folder, else a file
	outside bool // of the folder that the user named
}

// target tells where a link leads, or the reason to pass it over. What lies inside of the folder is read in its
// own place, unless it was passed over there: some programs keep the files themselves below .git.
func (w *walk) target(l link) (to target, reason string, err error) {
	to.real, err = filepath.EvalSymlinks(l.path)
	if err == nil {
		to.real, err = filepath.Abs(to.real)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return to, linkNowhere, nil
	} else if err != nil {
		return to, "", err
	}
	rel, err := filepath.Rel(w.real, to.real)
	to.outside = err != nil || !filepath.IsLocal(rel)
	if w.read[to.real] {
		return to, linkAgain, nil
	}
	if to.outside && !w.o.opt.Follow {
		return to, linkOut, nil
	}
	info, err := os.Stat(to.real)
	if err != nil {
		return to, "", err
	}
	if to.dir = info.IsDir(); !to.dir && !info.Mode().IsRegular() {
		return to, special(info.Mode()), nil
	}
	return to, "", nil
}

// Cases lists what a folder of cases holds, each a folder or a file, and what of it is
// passed over by the rules by which Open looks into a folder.
func Cases(dir string, follow bool) (cases []string, over []PassedOver, err error) {
	o := &opener{opt: Options{Follow: follow}}
	w, err := o.at(dir, nil)
	if err != nil {
		return nil, nil, err
	}
	entries, err := w.list(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range entries {
		w.read[filepath.Join(w.real, d.Name())] = d.IsDir() || d.Type().IsRegular()
	}
	for _, d := range entries {
		name, reason := d.Name(), ""
		switch mode := d.Type(); {
		case mode.IsDir() && versionControl[name]:
			reason = ofVersionControl
		case mode.IsDir(), mode.IsRegular():
		case mode&fs.ModeSymlink != 0:
			_, reason, _ = w.target(link{path: filepath.Join(dir, name)}) // a bad one is a case that cannot be read
		default:
			reason = special(mode)
		}
		if reason != "" {
			o.passing.add(reason, name)
		} else {
			cases = append(cases, name)
		}
	}
	return cases, o.passing.list(), nil
}

func elements(p string) []string {
	return strings.FieldsFunc(filepath.ToSlash(filepath.Clean(p)), func(r rune) bool { return r == '/' })
}
