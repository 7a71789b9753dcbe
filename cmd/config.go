package cmd

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"inquest/cmd/settings"
	"inquest/report"
)

// config is the YAML file of --config. Flags win over it.
type config struct {
	Limits   map[string]string `yaml:"limits"` // "detector.limit": value
	Only     []string          `yaml:"only"`
	Skip     []string          `yaml:"skip"`
	FailOn   string            `yaml:"fail-on"`
	Baseline string            `yaml:"baseline"`
}

// configName is the config file that is looked for when none is named.
const configName = ".inquest.yaml"

// findConfig looks for a config file in the working folder and those above it, and says which one it takes, as it
// changes what is judged. One that lies in the evidence comes from whoever sent that, and is left out.
func (f *analyzeFlags) findConfig(c *cobra.Command, paths []string) error {
	flag := c.Flags().Lookup("config")
	if flag == nil || flag.Changed {
		return nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil // nowhere to look
	}
	for up := ""; ; up = filepath.Join("..", up) {
		path := filepath.Join(up, configName)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			if slices.ContainsFunc(paths, func(p string) bool { return within(filepath.Join(dir, configName), p) }) {
				complain(c.ErrOrStderr(), fmt.Sprintf("%s is not used, as it lies in the evidence; --config %s uses it", path, path))
				return nil
			}
			if !f.output.quiet {
				complain(c.ErrOrStderr(), "limits and choices from "+path)
			}
			return c.Flags().Set("config", path)
		}
		above := filepath.Dir(dir)
		if above == dir {
			return nil
		}
		dir = above
	}
}

// within reports whether a file lies in a folder that is named, wherever links lead.
func within(file, dir string) bool {
	dir, err := filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return false
	}
	if file, err = filepath.EvalSymlinks(file); err != nil {
		return false
	}
	rel, err := filepath.Rel(dir, file)
	return err == nil && filepath.IsLocal(rel)
}

// maxSmall bounds the size of a baseline or of benchmark output.
const maxSmall = 64 << 20

func (f *analyzeFlags) readConfig(c *cobra.Command) error {
	file, err := openInput(c.Context(), f.config)
	if err != nil {
		return failed("", "%v", err)
	}
	defer file.Close()
	var conf config
	if err := settings.Read(f.config, file, &conf, yaml.Strict()); err != nil {
		return failed("known keys are limits, only, skip, fail-on and baseline", "%v", err)
	}
	var limits []string
	for name, value := range conf.Limits {
		limits = append(limits, name+"="+value)
	}
	slices.Sort(limits)
	f.limits = append(limits, f.limits...) // later settings win
	if !c.Flags().Changed("only") {
		f.only = conf.Only
	}
	if !c.Flags().Changed("skip") {
		f.skip = conf.Skip
	}
	if !c.Flags().Changed("fail-on") {
		f.failOn = conf.FailOn
	}
	if !c.Flags().Changed("baseline") {
		f.baseline = conf.Baseline
	}
	return nil
}

// readBaseline returns the fingerprints of a saved report or of a text file
// with one fingerprint a line and # comments.
func readBaseline(c *cobra.Command, path string) ([]string, error) {
	data, err := readSmall(c.Context(), path)
	if err != nil {
		return nil, failed("", "%v", err)
	}
	var accepted []string
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		r, err := report.Read(bytes.NewReader(data))
		if err != nil {
			return nil, failed("a baseline is a report saved with -o FILE.json", "%s: %v", path, err)
		}
		for _, f := range r.Findings {
			accepted = append(accepted, f.Fingerprint)
		}
		return accepted, nil
	}
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if len(line) != 16 || strings.Trim(line, "0123456789abcdef") != "" {
			return nil, failed("a baseline is a report saved with -o FILE.json, or one fingerprint a line", "%s:%d: not a fingerprint", path, number)
		}
		accepted = append(accepted, line)
	}
	return accepted, nil
}

func readSmall(ctx context.Context, path string) ([]byte, error) {
	f, err := openInput(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err != nil {
		return nil, pathError(path, err)
	}
	if len(data) > maxSmall {
		return nil, fmt.Errorf("%s: larger than %d MB", path, maxSmall>>20)
	}
	return data, nil
}
