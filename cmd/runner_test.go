package cmd

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"inquest/report/format"
)

// obeyed is a line that some program which runs continuous integration takes for a command.
var obeyed = regexp.MustCompile(`(?im)^\s*::|##\[|##vso\[|##teamcity\[|section_(?:start|end):|^(?:---|\+\+\+|~~~|\^\^\^) `)

// TestNothingPrintedIsObeyed reads a log and names files in a way that a runner would obey, and holds
// stdout and stderr of every subcommand and format to printing no such line.
func TestNothingPrintedIsObeyed(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("GITHUB_STEP_SUMMARY", "")
	log := "panic: word00 word01 word02 word03 word04 word05 ::stop-commands::tok ##[add-mask]e ::error::one ::error::two ::error::three ::error::four ##vso[task.complete] section_start:1:x\n\n" +
		"goroutine 7 [running]:\nmain.c()\n\t/s/a.go:3 +0x1d\nexit status 2\n"
	name := "::error::x ##[add-mask]y.log"
	for file, text := range map[string]string{name: log, "##vso[x].txt": "nothing of ours", "section_start:1:x.pb.gz": "\x1f\x8b cut", "app.log": log} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	saved := filepath.Join(dir, "##[saved.json")
	commands := [][]string{
		{"analyze", "app.log"}, {"analyze", name, "##vso[x].txt", "section_start:1:x.pb.gz"}, {"analyze", "."}, {"analyze", "::error::none"}, {"analyze", "app.log", "-o", "::error::/x.html"},
		{"analyze", "app.log", "-o", saved}, {"render", saved}, {"render", "##[none.json"}, {"verify", saved, "app.log"}, {"verify", saved, "."}, {"inspect", "."}, {"inspect", name}, {"inspect", "::none"},
		{"diff", "app.log", name}, {"diff", "::a", "##[b"}, {"explain", "::error::x"}, {"::error::x"}, {"analyze", "--::error::x"}, {"analyze", ".", "--limit", "##[x]=1"}, {"analyze", "--each", "."},
		{"capture", "http://##[x]/", "-o", "::dir"}, {"capture", "http://127.0.0.1:1/::error::x", "-o", "##[case", "--retries", "0"},
	}
	for _, format := range format.Names() {
		if format != "github" {
			commands = append(commands, []string{"analyze", ".", "-f", format}, []string{"analyze", "app.log", "-f", format}, []string{"analyze", ".", "--redact", "-f", format})
		}
	}
	for _, args := range commands {
		_, stdout, stderr := run(nil, args...)
		for stream, text := range map[string]string{"stdout": stdout, "stderr": stderr} {
			if line := obeyed.FindString(text); line != "" {
				t.Errorf("inquest %s: %s holds %q", strings.Join(args, " "), stream, line)
			}
		}
	}
	_, stdout, _ := run(nil, "analyze", "app.log", "-f", "github")
	for _, line := range strings.Split(stdout, "\n") {
		if own := regexp.MustCompile(`^::(?:error|warning|notice) `); obeyed.MatchString(own.ReplaceAllString(line, "")) {
			t.Errorf("-f github holds %q", line)
		}
	}
	if !strings.Contains(stdout, "::error ") {
		t.Errorf("-f github has no annotation: %s", stdout)
	}
}
