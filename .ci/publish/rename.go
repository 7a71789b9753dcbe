package main

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// before is the module's path until it is published.
const before = "inquest"

// renamer gives text of the module its new path. The name of the program stays, and so do the names of schemas
// (inquest/report/v1), which begin as packages do.
type renamer struct {
	path, version string
	packages      map[string]bool
	found         map[string]bool // of must
}

var (
	// A path that begins with the module's, not in the middle of a longer one.
	importPath = regexp.MustCompile(`(^|[^\w./-])(` + before + `(?:/\.?[a-z0-9_]+)+)(/\.\.\.)?`)
	moduleLine = regexp.MustCompile(`(?m)^module ` + before + `$`)
	versionOf  = regexp.MustCompile(`(?m)^const Version = "[^"]*"$`)
	// In documents, what is to be done until the module has a path stands between two comments, the first of which
	// holds the commands that take its place.
	unpublished = regexp.MustCompile(`(?s)<!-- published: ([^\n]*) -->\n.*?<!-- /published -->\n`)
)

// must are the places that have to be rewritten, by file.
var must = map[string]*regexp.Regexp{"go.mod": moduleLine, "cmd/cmd.go": versionOf, "README.md": unpublished, "docs/capture.md": unpublished}

// names reports whether packages are named in a file. Evidence and goldens are what they are.
func names(name string) bool {
	switch path.Ext(name) {
	case ".go", ".txtar":
		return true
	case ".md", ".mod", ".yml", ".yaml":
		return !slices.Contains(strings.Split(name, "/"), "testdata")
	}
	return strings.HasPrefix(name, ".ci/")
}

// file returns the content of a file under the new path.
func (r *renamer) file(name string, data []byte) ([]byte, error) {
	if !names(name) {
		return data, nil
	}
	if re := must[name]; re != nil {
		if !re.Match(data) {
			return nil, fmt.Errorf("nothing matches %s", re)
		}
		r.found[name] = true
	}
	switch name {
	case "go.mod":
		data = moduleLine.ReplaceAll(data, []byte("module "+r.path))
	case "cmd/cmd.go":
		data = versionOf.ReplaceAll(data, []byte(`const Version = "`+strings.TrimPrefix(r.version, "v")+`"`))
	}
	if path.Ext(name) == ".md" {
		data = unpublished.ReplaceAllFunc(data, func(block []byte) []byte {
			var b bytes.Buffer
			for _, command := range strings.Split(string(unpublished.FindSubmatch(block)[1]), "; ") {
				b.WriteString("    " + strings.NewReplacer("MODULE", r.path, "VERSION", r.version).Replace(command) + "\n")
			}
			return b.Bytes()
		})
	}
	return r.imports(data), nil
}

// imports rewrites the import paths in a text.
func (r *renamer) imports(data []byte) []byte {
	var b bytes.Buffer
	copied := 0
	for _, m := range importPath.FindAllSubmatchIndex(data, -1) {
		begin, end := m[4], m[5]
		name, below := string(data[begin:end]), m[6] >= 0
		longer := m[1] < len(data) && bytes.IndexByte([]byte("/-"), data[m[1]]) >= 0 || m[1] < len(data) && data[m[1]] >= 'A' && data[m[1]] <= 'Z'
		if longer || !r.known(name, below) {
			continue
		}
		b.Write(data[copied:begin])
		b.WriteString(r.path + strings.TrimPrefix(name, before))
		copied = end
	}
	b.Write(data[copied:])
	return b.Bytes()
}

// known reports whether a path is that of a package, or with below of a folder of packages.
func (r *renamer) known(name string, below bool) bool {
	if r.packages[name] {
		return true
	}
	for p := range r.packages {
		if below && strings.HasPrefix(p, name+"/") {
			return true
		}
	}
	return false
}

// done reports what had to be rewritten and has not been met.
func (r *renamer) done() error {
	for name := range must {
		if !r.found[name] {
			return fmt.Errorf("%s was not found", name)
		}
	}
	return nil
}
