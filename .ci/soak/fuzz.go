package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// target is one fuzz target of the repository.
type target struct{ pkg, name string }

var executions = regexp.MustCompile(`execs: (\d+)`)

// fuzz gives every fuzz target an equal part of the time and reports whether one failed.
func fuzz(length time.Duration) (bad bool) {
	targets, err := fuzzTargets()
	if err != nil {
		fatal(err)
	}
	each := (length / time.Duration(max(len(targets), 1))).Round(time.Second)
	fmt.Printf("\nfuzz targets, %v each:\n%-60s %12s\n", each, "target", "executions")
	var all int64
	for _, t := range targets {
		count, out, err := t.run(each)
		// The fuzzing engine at times ends with "context deadline exceeded" and no
		// failing input (golang/go#75804).
		if err != nil && bytes.Contains(out, []byte("context deadline exceeded")) && !bytes.Contains(out, []byte("Failing input written")) {
			err = nil
		}
		all += count
		fmt.Printf("%-60s %12d\n", t.pkg+" "+t.name, count)
		if err != nil {
			bad = true
			fmt.Printf("%s\n", out)
		}
	}
	fmt.Printf("%-60s %12d\n", "all", all)
	return bad
}

func fuzzTargets() ([]target, error) {
	pkgs, err := exec.Command("go", "list", "./...").Output()
	if err != nil {
		return nil, err
	}
	var all []target
	for _, pkg := range strings.Fields(string(pkgs)) {
		out, err := exec.Command("go", "test", "-list", "^Fuzz", pkg).Output()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", pkg, err)
		}
		for _, name := range strings.Fields(string(out)) {
			if strings.HasPrefix(name, "Fuzz") {
				all = append(all, target{pkg, name})
			}
		}
	}
	return all, nil
}

func (t target) run(length time.Duration) (count int64, out []byte, err error) {
	c := exec.Command("go", "test", "-run", "^$", "-fuzz", "^"+t.name+"$", "-fuzztime", length.String(), "-fuzzminimizetime", "1x", t.pkg)
	c.Env = append(os.Environ(), "GOFLAGS=")
	out, err = c.CombinedOutput()
	for _, m := range executions.FindAllSubmatch(out, -1) {
		count, _ = strconv.ParseInt(string(m[1]), 10, 64)
	}
	return count, out, err
}
