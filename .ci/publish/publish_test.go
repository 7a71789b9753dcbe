package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestImports(t *testing.T) {
	r := renamer{path: "example.com/acme/inquest", packages: map[string]bool{"inquest/analyze/claim": true, "inquest/report": true, "inquest/recorder": true, "inquest/.ci/mutate": true}}
	for text, want := range map[string]string{
		`import "inquest/report"`:                             `import "example.com/acme/inquest/report"`,
		"\t_ \"inquest/.ci/mutate\"\n":                        "\t_ \"example.com/acme/inquest/.ci/mutate\"\n",
		`{"inquest/analyze/...", "inquest/report/..."}`:       `{"example.com/acme/inquest/analyze/...", "example.com/acme/inquest/report/..."}`,
		"Package `inquest/recorder` (see inquest/report).":    "Package `example.com/acme/inquest/recorder` (see example.com/acme/inquest/report).",
		`at inquest/report.TestGuard and inquest/report.`:     `at example.com/acme/inquest/report.TestGuard and example.com/acme/inquest/report.`,
		"the inquest tool: $ inquest analyze case":            "the inquest tool: $ inquest analyze case",
		`"schema": "inquest/report/v1"`:                       `"schema": "inquest/report/v1"`,
		`strings.HasPrefix(s, "inquest/report/")`:             `strings.HasPrefix(s, "inquest/report/")`,
		`"inquest/capture/v1", "inquest/fixtures/exhibit"`:    `"inquest/capture/v1", "inquest/fixtures/exhibit"`,
		`/src/inquest/report inquest/reports -inquest/report`: `/src/inquest/report inquest/reports -inquest/report`,
		`"inquest/recorder/manifest"`:                         `"inquest/recorder/manifest"`, // no package here
		`"inquest/analyze"`:                                   `"inquest/analyze"`,
	} {
		if got := string(r.imports([]byte(text))); got != want {
			t.Errorf("%s\nbecomes %s\nwant    %s", text, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range [][2]string{{"example.com/inquest", "1.2.3"}, {"example.com/inquest", "v1.2"}, {"example.com/inquest", "v2.0.0"}, {"inquest", "v1.0.0"}, {"example.com/in quest", "v1.0.0"}} {
		if _, err := newRelease("../..", t.TempDir(), c[0], c[1]); err == nil {
			t.Errorf("%s %s is published", c[0], c[1])
		}
	}
}

const usesRecorder = `package main

import (
	"fmt"
	"os"

	"MODULE/recorder"
)

func main() {
	rec, err := recorder.Start(recorder.Options{Dir: os.Args[1], CPU: -1})
	if err != nil {
		panic(err)
	}
	defer rec.Stop()
	if _, err := rec.Capture("a test"); err != nil {
		panic(err)
	}
	fmt.Println("captured")
}
`

const usesAnalyze = `package main

import (
	"context"
	"fmt"
	"os"

	"MODULE/analyze"
	"MODULE/analyze/detect"
	"MODULE/report"
	"MODULE/report/markdown"
)

func main() {
	result, err := analyze.Case(context.Background(), os.Args[1:], detect.All, analyze.Options{})
	if err != nil {
		panic(err)
	}
	defer result.Bundle.Free()
	for _, f := range result.Findings {
		fmt.Println(f.Detector)
	}
	if err := markdown.Write(os.Stdout, report.New(result)); err != nil {
		panic(err)
	}
}
`

// TestPublish makes a release of this repository for the machine it runs on and uses it as strangers do: from a module
// proxy, which here is a folder, and with nothing of ours in the module cache.
func TestPublish(t *testing.T) {
	if testing.Short() {
		t.Skip("builds inquest several times")
	}
	const path, version = "example.com/acme/inquest", "v1.2.3"
	root := clone(t)
	host := target{runtime.GOOS, runtime.GOARCH}
	outs := [2]string{filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")}
	for _, out := range outs {
		if err := publish(root, out, path, version, []target{host}); err != nil {
			t.Fatal(err)
		}
	}
	out := outs[0]
	if err := publish(root, out, path, version, nil); err == nil {
		t.Error("a release is written over another")
	}

	// The same from the same.
	sums := read(t, filepath.Join(out, "dist", "SHA256SUMS"))
	if other := read(t, filepath.Join(outs[1], "dist", "SHA256SUMS")); sums != other {
		t.Errorf("two releases of one commit differ:\n%s\n%s", sums, other)
	}
	lines := strings.Split(strings.TrimSpace(sums), "\n")
	if len(lines) != 3 {
		t.Errorf("checksums of %d files, want those of the binary, its bill and the Dockerfile:\n%s", len(lines), sums)
	}
	for _, line := range lines {
		sum, name, _ := strings.Cut(line, "  ")
		if got := fmt.Sprintf("%x", sha256.Sum256([]byte(read(t, filepath.Join(out, "dist", name))))); got != sum {
			t.Errorf("%s has the checksum %s, and %s is written", name, got, sum)
		}
	}

	// What is in it.
	binary := filepath.Join(out, "dist", "inquest_1.2.3_"+host.os+"_"+host.arch)
	if host.os == "windows" {
		binary += ".exe"
	}
	says := output(t, ".", nil, binary, "version")
	commit := strings.TrimSpace(output(t, filepath.Join(out, "src"), nil, "git", "rev-parse", version+"^{commit}"))
	for _, want := range []string{"inquest 1.2.3\n", path + " " + version + "\n", commit + "\n", "CGO_ENABLED=0 -trimpath=true"} {
		if !strings.Contains(says, want) {
			t.Errorf("version does not say %q:\n%s", want, says)
		}
	}
	if strings.Contains(says, "changed since") {
		t.Errorf("the binary is of a changed checkout:\n%s", says)
	}
	var list bom
	if err := json.Unmarshal([]byte(read(t, binary+".cdx.json")), &list); err != nil {
		t.Fatal(err)
	}
	parts := map[string]string{}
	for _, c := range list.Components {
		parts[c.Name] = c.Version
	}
	if list.Metadata.Component.Version != version || parts["std"] != strings.TrimPrefix(runtime.Version(), "go") || parts["github.com/google/pprof"] == "" || parts["github.com/spf13/cobra"] == "" {
		t.Errorf("the bill lacks what the binary is made of: %v", parts)
	}
	if docker := read(t, filepath.Join(out, "dist", "Dockerfile")); !strings.Contains(docker, "COPY --chmod=0755 inquest_1.2.3_linux_${TARGETARCH} /inquest") {
		t.Errorf("the image has another binary:\n%s", docker)
	}

	// Of the old path nothing is left where it would matter.
	left := renamer{path: "X", packages: map[string]bool{"inquest/analyze": true, "inquest/cmd": true, "inquest/recorder": true, "inquest/report": true, "inquest/.ci/mutate": true}}
	for _, name := range []string{"go.mod", "main.go", "all_test.go", "README.md", "docs/capture.md", "recorder/example_test.go", "cmd/cmd.go"} {
		text := read(t, filepath.Join(out, "src", name))
		if string(left.imports([]byte(text))) != text {
			t.Errorf("%s names the old path", name)
		}
	}
	if readme := read(t, filepath.Join(out, "src", "README.md")); !strings.Contains(readme, "    go install "+path+"@"+version+"\n") || !strings.HasPrefix(readme, "# inquest\n") {
		t.Error("README.md does not say how it is installed")
	}

	// As strangers use it.
	cache := strings.TrimSpace(output(t, ".", nil, "go", "env", "GOMODCACHE"))
	scratch := t.TempDir()
	env := []string{
		"GOPROXY=" + fileURL(filepath.Join(out, "proxy")) + "," + fileURL(filepath.Join(cache, "cache", "download")),
		"GOMODCACHE=" + filepath.Join(scratch, "mod"), "GOBIN=" + filepath.Join(scratch, "bin"), "GOFLAGS=-modcacherw -trimpath", "GOSUMDB=off", "GOPRIVATE=", "GONOPROXY=", "GOWORK=off", "CGO_ENABLED=0",
	}
	output(t, scratch, env, "go", "install", path+"@"+version)
	says = output(t, scratch, nil, filepath.Join(scratch, "bin", "inquest"), "version")
	if !strings.HasPrefix(says, "inquest 1.2.3\n") || !strings.Contains(says, path+" "+version+"\nsum      h1:") {
		t.Errorf("go install gives one that says\n%s", says)
	}
	mutex, err := filepath.Abs("../../fixtures/locks/orders-lockheld/mutex.pb.gz")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name            string
		packages        []string
		text, arg, want string
	}{
		{"recorder", []string{"recorder"}, usesRecorder, filepath.Join(scratch, "cases"), "captured\n"},
		{"analyze", []string{"analyze", "report"}, usesAnalyze, mutex, "mutex-hotspot\n"},
	} {
		dir := filepath.Join(scratch, c.name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(strings.ReplaceAll(c.text, "MODULE", path)), 0o644); err != nil {
			t.Fatal(err)
		}
		output(t, dir, env, "go", "mod", "init", "example.org/try")
		get := []string{"get"}
		for _, p := range c.packages {
			get = append(get, path+"/"+p+"@"+version)
		}
		output(t, dir, env, "go", get...)
		if got := output(t, dir, env, "go", "run", ".", c.arg); !strings.Contains(got, c.want) {
			t.Errorf("a module that imports %s prints %q, want %q", c.name, got, c.want)
		}
	}
}

// clone returns a clean repository with the files of this one as they stand, committed or not.
func clone(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	listed := output(t, "../..", nil, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	for _, name := range strings.Split(strings.TrimSuffix(listed, "\x00"), "\x00") {
		if strings.HasPrefix(name, "fixtures/") && name != "fixtures/go.mod" && name != "fixtures/README.md" {
			continue // recordings are no part of the module
		}
		data, err := os.ReadFile(filepath.Join("../..", name))
		if os.IsNotExist(err) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GIT_AUTHOR_NAME", "a test")
	t.Setenv("GIT_AUTHOR_EMAIL", "test@example.org")
	t.Setenv("GIT_COMMITTER_NAME", "a test")
	t.Setenv("GIT_COMMITTER_EMAIL", "test@example.org")
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A", "-f"}, {"commit", "-q", "-m", "all"}} {
		output(t, dir, nil, "git", args...)
	}
	return dir
}

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func output(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	out, err := run(dir, env, name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return "file://" + path
}
