package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
	"golang.org/x/mod/zip"
)

// release is one that is being made.
type release struct {
	root, out     string
	path, version string
	made          time.Time // of the commit, so that the same commit gives the same release
	files         []string  // that are committed, with slashes
}

func newRelease(root, out, modulePath, version string) (*release, error) {
	if !semver.IsValid(version) || semver.Canonical(version) != version {
		return nil, fmt.Errorf("%s is no version; want one such as v1.2.3", version)
	}
	if err := module.Check(modulePath, version); err != nil {
		return nil, err
	}
	if first, _, _ := strings.Cut(modulePath, "/"); !strings.Contains(first, ".") {
		return nil, fmt.Errorf("%s begins with no host, so that nobody could download it", modulePath)
	}
	if changed, err := run(root, nil, "git", "status", "--porcelain"); err != nil {
		return nil, err
	} else if changed != "" {
		return nil, errors.New("there are changes that are not committed")
	}
	listed, err := run(root, nil, "git", "ls-files", "-z")
	if err != nil {
		return nil, err
	}
	stamp, err := run(root, nil, "git", "log", "-1", "--format=%cI")
	if err != nil {
		return nil, err
	}
	made, err := time.Parse(time.RFC3339, strings.TrimSpace(stamp))
	if err != nil {
		return nil, err
	}
	if out, err = filepath.Abs(out); err != nil {
		return nil, err
	}
	if found, err := os.ReadDir(out); err == nil && len(found) > 0 {
		return nil, fmt.Errorf("%s is not empty", out)
	}
	r := &release{root: root, out: out, path: modulePath, version: version, made: made.UTC(), files: strings.Split(strings.TrimSuffix(listed, "\x00"), "\x00")}
	for _, dir := range []string{"src", "proxy", "dist"} {
		if err := os.MkdirAll(filepath.Join(out, dir), 0o755); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// packages are the import paths of the module before it is published.
func (r *release) packages() map[string]bool {
	out := map[string]bool{}
	for _, name := range r.files {
		if dir := path.Dir(name); path.Ext(name) == ".go" && dir != "." && !slices.Contains(strings.Split(dir, "/"), "testdata") && !r.nested(dir) {
			out[before+"/"+dir] = true
		}
	}
	return out
}

// nested reports whether a folder belongs to a module of its own.
func (r *release) nested(dir string) bool {
	for ; dir != "."; dir = path.Dir(dir) {
		if slices.Contains(r.files, dir+"/go.mod") {
			return true
		}
	}
	return false
}

// copy writes what is committed into src, under the new path.
func (r *release) copy() error {
	rename := renamer{path: r.path, version: r.version, packages: r.packages(), found: map[string]bool{}}
	nested := map[string]bool{}
	for _, name := range r.files {
		from, to := filepath.Join(r.root, filepath.FromSlash(name)), filepath.Join(r.out, "src", filepath.FromSlash(name))
		info, err := os.Lstat(from)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(from)
			if err != nil {
				return err
			}
			if err := os.Symlink(target, to); err != nil {
				return err
			}
			continue
		}
		data, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if _, known := nested[dir]; !known {
			nested[dir] = r.nested(dir)
		}
		if !nested[dir] {
			if data, err = rename.file(name, data); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		if err := os.WriteFile(to, data, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return rename.done()
}

// tag makes src a repository with one commit.
func (r *release) tag() error {
	date := r.made.Format(time.RFC3339)
	env := []string{"GIT_AUTHOR_DATE=" + date, "GIT_COMMITTER_DATE=" + date}
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"}, {"add", "-A", "-f"}, {"commit", "-q", "--no-verify", "-m", "Release " + r.version}, {"tag", "-a", "-m", r.version, r.version},
	} {
		if _, err := run(filepath.Join(r.out, "src"), env, "git", args...); err != nil {
			return err
		}
	}
	return nil
}

// module writes src as a module proxy serves it.
func (r *release) module() error {
	escaped, err := module.EscapePath(r.path)
	if err != nil {
		return err
	}
	dir := filepath.Join(r.out, "proxy", filepath.FromSlash(escaped), "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	mod, err := os.ReadFile(filepath.Join(r.out, "src", "go.mod"))
	if err != nil {
		return err
	}
	info, err := json.Marshal(map[string]any{"Version": r.version, "Time": r.made.Format(time.RFC3339)})
	if err != nil {
		return err
	}
	for name, data := range map[string][]byte{"list": []byte(r.version + "\n"), r.version + ".mod": mod, r.version + ".info": info} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	f, err := os.Create(filepath.Join(dir, r.version+".zip"))
	if err != nil {
		return err
	}
	if err := zip.CreateFromDir(f, module.Version{Path: r.path, Version: r.version}, filepath.Join(r.out, "src")); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// build builds the program for each target, with the list of what it is made of.
func (r *release) build(targets []target) error {
	for _, t := range targets {
		binary := filepath.Join(r.out, "dist", r.binary(t))
		// The build records the commit and the tag by itself: src is a clean checkout.
		env := []string{"CGO_ENABLED=0", "GOOS=" + t.os, "GOARCH=" + t.arch, "GOAMD64=", "GOARM64=", "GOEXPERIMENT=", "GOFLAGS=", "GOWORK=off"}
		if _, err := run(filepath.Join(r.out, "src"), env, "go", "build", "-trimpath", "-buildvcs=true", "-mod=readonly", "-ldflags=-s -w -buildid=", "-o", binary, "."); err != nil {
			return err
		}
		bom, err := bill(binary, r.version, r.made)
		if err != nil {
			return err
		}
		if err := os.WriteFile(binary+".cdx.json", bom, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) binary(t target) string {
	name := fmt.Sprintf("inquest_%s_%s_%s", strings.TrimPrefix(r.version, "v"), t.os, t.arch)
	if t.os == "windows" {
		name += ".exe"
	}
	return name
}

const dockerfile = `# syntax=docker/dockerfile:1
# An image that holds inquest alone. Evidence is mounted, reports go to stdout:
#   docker build -t inquest .
#   docker run --rm -v "$PWD/case:/case:ro" inquest analyze /case
# capture from a server whose certificate a public authority signed needs -v /etc/ssl/certs:/etc/ssl/certs:ro.
FROM scratch
ARG TARGETARCH=amd64
LABEL org.opencontainers.image.title="inquest" \
      org.opencontainers.image.source="https://%s" \
      org.opencontainers.image.version="%s" \
      org.opencontainers.image.created="%s" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --chmod=0755 inquest_%s_linux_${TARGETARCH} /inquest
USER 65532:65532
ENTRYPOINT ["/inquest"]
`

// image writes how a container image is built.
func (r *release) image() error {
	version := strings.TrimPrefix(r.version, "v")
	text := fmt.Sprintf(dockerfile, r.path, version, r.made.Format(time.RFC3339), version)
	return os.WriteFile(filepath.Join(r.out, "dist", "Dockerfile"), []byte(text), 0o644)
}

// checksums writes those of everything in dist, as sha256sum -c reads them.
func (r *release) checksums() error {
	dir := filepath.Join(r.out, "dist")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	return os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(b.String()), 0o644)
}
