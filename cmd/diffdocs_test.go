package cmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/pprof/profile"
)

// blocks returns the fenced code of a heading of docs/ci.md.
func blocks(t *testing.T, heading string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "docs", "ci.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(data), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("docs/ci.md has no heading %q", heading)
	}
	section, _, _ := strings.Cut(rest, "\n## ")
	var out []string
	for _, m := range regexp.MustCompile("(?s)```[a-z]+\n(.*?)```").FindAllStringSubmatch(section, -1) {
		out = append(out, m[1])
	}
	if len(out) == 0 {
		t.Fatalf("%q shows no commands", heading)
	}
	return out
}

// cpuFile writes a CPU profile of 10 s in which main.parse and main.pack have so many ticks.
func cpuFile(t *testing.T, path string, parse, pack int64) {
	t.Helper()
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 10e6, DurationNanos: 10e9,
	}
	for i, n := range []int64{parse, pack} {
		fn := &profile.Function{ID: uint64(i + 1), Name: []string{"main.parse", "main.pack"}[i], Filename: "main.go"}
		l := &profile.Location{ID: fn.ID, Address: fn.ID, Line: []profile.Line{{Function: fn, Line: 3}}}
		p.Function, p.Location = append(p.Function, fn), append(p.Location, l)
		p.Sample = append(p.Sample, &profile.Sample{Location: []*profile.Location{l}, Value: []int64{n, n * 10e6}})
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Write(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestRecipes runs the commands of docs/ci.md as they stand there.
func TestRecipes(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no shell")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	// The test binary is inquest when it is called so.
	if err := os.Symlink(self, filepath.Join(bin, "inquest")); err != nil {
		t.Skip(err)
	}
	run := func(t *testing.T, dir, script string) (code int, out string) {
		t.Helper()
		c := exec.Command("sh", "-e", "-c", script)
		if strings.Contains(script, "case $?") {
			c = exec.Command("sh", "-c", script)
		}
		c.Dir = dir
		c.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "GITHUB_STEP_SUMMARY="+filepath.Join(dir, "summary.md"), "RUNNER_TEMP="+dir)
		text, err := c.CombinedOutput()
		if err != nil && c.ProcessState == nil {
			t.Fatal(err)
		}
		return c.ProcessState.ExitCode(), string(text)
	}
	sides := func(t *testing.T, before, after string, parse int64) string {
		dir := t.TempDir()
		for _, name := range []string{"cpu1.pb.gz", "cpu2.pb.gz", "cpu3.pb.gz"} {
			cpuFile(t, filepath.Join(dir, before, name), 400, 600)
			cpuFile(t, filepath.Join(dir, after, name), parse, 600)
		}
		return dir
	}
	wrote := func(t *testing.T, dir string, names ...string) {
		t.Helper()
		for _, name := range names {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
				t.Errorf("%s was not written: %v", name, err)
			}
		}
	}

	var github struct {
		Jobs map[string]struct {
			Steps []struct{ Name, Run string }
		}
	}
	if err := yaml.Unmarshal([]byte(blocks(t, "GitHub Actions")[0]), &github); err != nil {
		t.Fatal(err)
	}
	compare := ""
	for _, s := range github.Jobs["performance"].Steps {
		switch s.Name {
		case "Compare":
			compare = s.Run
		case "Record both sides, alternating":
			if out, err := exec.Command("sh", "-n", "-c", s.Run).CombinedOutput(); err != nil {
				t.Errorf("recording: %s", out)
			}
		}
	}
	var gitlab map[string]struct{ Script []string }
	if err := yaml.Unmarshal([]byte(blocks(t, "GitLab CI")[0]), &gitlab); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		parse int64
		code  int
	}{{400, 0}, {800, 1}, {0, 1}} {
		dir := sides(t, "prof/base", "prof/head", max(c.parse, 1))
		if c.parse == 0 { // nothing in it: not a pass
			dir = sides(t, "prof/base", "prof/head", 400)
			for _, name := range []string{"cpu1.pb.gz", "cpu2.pb.gz", "cpu3.pb.gz"} {
				cpuFile(t, filepath.Join(dir, "prof/head", name), 0, 0)
			}
			c.code = exitInconclusive
		}
		if code, out := run(t, dir, compare); code != c.code {
			t.Errorf("GitHub, parse %d: exit %d, want %d: %s", c.parse, code, c.code, out)
		}
		wrote(t, dir, "comment.md", "diff.json", "diff.sarif", "summary.md")
		if code, out := run(t, dir, strings.Join(gitlab["performance"].Script, "\n")); code != c.code {
			t.Errorf("GitLab, parse %d: exit %d, want %d: %s", c.parse, code, c.code, out)
		}
		wrote(t, dir, "diff.xml")
	}

	shell := blocks(t, "Shell")
	for _, c := range []struct {
		parse      int64
		code       int
		says       string
		noIncident bool
	}{{410, 0, "nothing that counts got worse", false}, {900, 1, "### inquest: regression", false}, {3, 1, "inquest could not run", true}} {
		dir := sides(t, "good", "incident", c.parse)
		if code, out := run(t, dir, shell[0]); code != 0 {
			t.Fatalf("saving: exit %d: %s", code, out)
		}
		if c.noIncident {
			if err := os.RemoveAll(filepath.Join(dir, "incident")); err != nil {
				t.Fatal(err)
			}
		}
		if code, out := run(t, dir, shell[1]); code != c.code || !strings.Contains(out, c.says) {
			t.Errorf("shell, parse %d: exit %d: %s", c.parse, code, out)
		}
	}
	dir := sides(t, "prof/base", "prof/head", 400)
	if code, out := run(t, dir, shell[2]); code != 0 {
		t.Errorf("for one case: exit %d: %s", code, out)
	}
	wrote(t, dir, "inquest.sarif")
}
