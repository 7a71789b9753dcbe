// Command publish makes a release of inquest under a module path of the owner's choice.
//
//	go run ./.ci/publish [-o FOLDER] MODULE/PATH VERSION
//
// What is committed is copied into FOLDER/src, where the module gets its path and version: in go.mod, imports, and whatever
// else names one of its packages. Nothing here changes. The folder then holds
//
//	src/                     a git repository with one commit, tagged VERSION, ready to be pushed
//	proxy/                   the module as a proxy serves it: GOPROXY=file://FOLDER/proxy
//	dist/inquest_*           static binaries for linux, darwin and windows on amd64 and arm64; the same source and
//	                         release of Go give the same bytes
//	dist/*.cdx.json          what each binary is made of (CycloneDX)
//	dist/SHA256SUMS          checksums of all of these
//	dist/Dockerfile          an image from scratch with the linux binary: docker build dist
//
// What remains to be done by hand is to push the tag and to upload dist.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// target is a system that binaries are built for.
type target struct{ os, arch string }

var targets = []target{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"windows", "arm64"},
}

func main() {
	out := flag.String("o", "", "write into `FOLDER`, new or empty (default ../inquest-VERSION)")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: go run ./.ci/publish [-o FOLDER] MODULE/PATH VERSION")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 2 {
		flag.Usage()
		os.Exit(2)
	}
	if *out == "" {
		*out = filepath.Join("..", "inquest-"+flag.Arg(1))
	}
	if err := publish(".", *out, flag.Arg(0), flag.Arg(1), targets); err != nil {
		fmt.Fprintln(os.Stderr, "publish:", err)
		os.Exit(1)
	}
	fmt.Printf("%s holds %s %s\nnext: git -C %s push URL main %s, and upload what is in %s\n", *out, flag.Arg(0), flag.Arg(1),
		filepath.Join(*out, "src"), flag.Arg(1), filepath.Join(*out, "dist"))
}

// publish makes the release of the repository in root.
func publish(root, out, path, version string, targets []target) error {
	r, err := newRelease(root, out, path, version)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"copy", r.copy}, {"tag", r.tag}, {"module", r.module},
		{"binaries", func() error { return r.build(targets) }},
		{"image", r.image}, {"checksums", r.checksums},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// run runs a program in a folder and returns what it prints.
func run(dir string, env []string, name string, args ...string) (string, error) {
	c := exec.Command(name, args...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}
