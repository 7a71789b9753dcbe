package evidence

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"inquest/internal/evidence/bound"
	"inquest/internal/evidence/prose"
)

// File is a file of a case with its digest.
type File struct {
	Path   string // as the path of an exhibit in it
	SHA256 string // hex; empty when it could not be read
	Bytes  int64
	Why    string // it could not be read
	// Likely says that it is evidence by its first bytes or its name. Text is only
	// known to be evidence once it has been read.
	Likely bool
}

// Hash finds the files at the paths as [Open] does and hashes them, without
// measuring what they hold. Members of archives are files of their own.
func Hash(ctx context.Context, paths []string, opt Options) (files []File, unreadable []string, err error) {
	if len(paths) == 0 {
		return nil, nil, prose.Errorf("no evidence named")
	}
	if opt.Jobs <= 0 {
		opt.Jobs = 1
	}
	if opt.Stdin == nil {
		opt.Stdin = os.Stdin
	}
	if opt.Memory == nil {
		opt.Memory = bound.NewMemory(bound.Default)
	}
	o := &opener{ctx: ctx, opt: opt, hashOnly: true}
	b := &Bundle{}
	o.find(paths, b)
	nameItems(o.items)
	o.read(o.items, opt.Memory.Jobs(opt.Jobs))
	var exhibits []*Exhibit
	for _, it := range o.items {
		exhibits = it.collect(exhibits)
	}
	for _, e := range exhibits {
		f := File{Path: e.Path, SHA256: e.SHA256, Bytes: e.Bytes, Likely: e.Kind != Unknown}
		if e.SHA256 == "" && len(e.Problems) > 0 {
			f.Why = e.Problems[len(e.Problems)-1].String()
		}
		files = append(files, f)
	}
	return files, b.Unreadable, ctx.Err()
}

// hashed files an exhibit that is hashed and not measured. A kind other than
// Unknown stands for what is evidence by the looks of it.
func (o *opener) hashed(it *item, e *Exhibit, c *source, head []byte) {
	var err error
	if e.SHA256, err = c.hash(); err != nil {
		e.SHA256 = ""
		e.problem("could not be read to its end: %s", cause(err))
	}
	switch {
	case executable(head) && !it.named:
	case isManifest(head):
		e.Kind = Provenance
	case !text(head) && readable(head), text(head) && suspect(filepath.ToSlash(it.name)), it.named:
		e.Kind = Trace
	}
	it.exhibits = append(it.exhibits, e)
}

// tarInside reports whether a compressed file holds a tar archive.
func tarInside(c *source, k *compression) bool {
	z, err := k.unpack(c, nil)
	if err != nil {
		return false
	}
	defer z.Close()
	head := make([]byte, headSize)
	n, _ := io.ReadFull(z, head)
	return isTar(head[:n])
}

// doubleSize is from when on files of one size are compared before they are read: smaller ones are read as fast.
const doubleSize = 64 << 10

// double finds files that hold the bytes of one before them, by name or by content, so that they are not read again.
func (o *opener) double(items []*item) {
	type file struct {
		it   *item
		info fs.FileInfo
		sum  string
	}
	bySize := map[int64][]*file{}
	sum := func(f *file) string {
		if f.sum == "" {
			f.sum = f.it.location // nothing equals it, where it cannot be read
			if r, err := os.Open(f.it.location); err == nil {
				c := source{ReaderAt: r, size: f.info.Size(), done: r.Close}
				if s, err := c.hash(); err == nil {
					f.sum = s
				}
				c.close()
			}
		}
		return f.sum
	}
	for _, it := range items {
		info, err := os.Stat(it.location)
		if it.location == "" || it.failed != nil || err != nil || !info.Mode().IsRegular() || info.Size() < doubleSize || o.ctx.Err() != nil {
			continue
		}
		f := &file{it: it, info: info}
		alike := bySize[info.Size()]
		i := slices.IndexFunc(alike, func(x *file) bool { return os.SameFile(x.info, info) })
		if i < 0 {
			i = slices.IndexFunc(alike, func(x *file) bool { return sum(x) == sum(f) })
		}
		if i >= 0 {
			it.same = alike[i].it
			continue
		}
		bySize[info.Size()] = append(alike, f)
	}
}

// repeat gives a file that was read under another name what was found there, and says so.
func (it *item) repeat() {
	if it.same == nil {
		return
	}
	same := Exhibit{Kind: Unknown, Coverage: Whole}
	for _, e := range it.same.exhibits {
		same.Kind, same.SHA256, same.Bytes, same.Coverage = e.Kind, e.SHA256, e.Bytes, Whole
	}
	// An archive has its members, and a log with several dumps has parts: they stand there.
	if len(it.same.exhibits) == 1 {
		same = *it.same.exhibits[0]
		same.Problems = slices.Clone(same.Problems)
	}
	same.Path = it.name
	if same.Coverage != None || len(same.Problems) == 0 {
		same.countedAs(it.same.name)
	}
	it.exhibits = append(it.exhibits, &same)
}
