package cmd

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the commit and how this inquest was built",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			info, _ := debug.ReadBuildInfo()
			return writeVersion(c.OutOrStdout(), info)
		},
	}
}

// buildSettings are those of a build that change what the program does, in the order in which they are printed.
var buildSettings = []string{"CGO_ENABLED", "-trimpath", "-race", "-tags", "GOAMD64", "GOARM64", "GOEXPERIMENT", "GOFIPS140"}

// writeVersion prints what a bug report should hold. info is nil in a program that knows nothing of its build.
func writeVersion(w io.Writer, info *debug.BuildInfo) error {
	var b strings.Builder
	fmt.Fprintf(&b, "inquest %s\n", Version)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%-8s %s\n", name, value)
		}
	}
	goVersion, target := runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH
	if info != nil {
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		line("module", strings.TrimSpace(info.Main.Path+" "+info.Main.Version))
		line("sum", info.Main.Sum)
		if commit := settings["vcs.revision"]; commit != "" {
			if settings["vcs.modified"] == "true" {
				commit += ", changed since"
			}
			line("commit", commit)
			line("of", settings["vcs.time"])
		}
		goVersion = info.GoVersion
		var how []string
		for _, key := range buildSettings {
			if v, ok := settings[key]; ok && v != "" {
				how = append(how, key+"="+v)
			}
		}
		line("build", strings.Join(how, " "))
	}
	line("go", goVersion+" "+target)
	_, err := io.WriteString(w, b.String())
	return err
}

// revision is the commit this inquest was built from, marked where files had been changed since, or "" where the build did not record it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	setting := func(key string) string {
		if i := slices.IndexFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == key }); i >= 0 {
			return info.Settings[i].Value
		}
		return ""
	}
	commit := setting("vcs.revision")
	if commit != "" && setting("vcs.modified") == "true" {
		return commit[:min(len(commit), 12)] + "+dirty"
	}
	return commit[:min(len(commit), 12)]
}
