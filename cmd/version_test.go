package cmd

import (
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// TestVersion holds what version prints to what the build recorded, and to saying nothing that it did not.
func TestVersion(t *testing.T) {
	target := runtime.GOOS + "/" + runtime.GOARCH
	for _, c := range []struct {
		name string
		info *debug.BuildInfo
		want string
	}{
		{"nothing known", nil, "inquest " + Version + "\ngo       " + runtime.Version() + " " + target + "\n"},
		{"installed", &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Path: "example.com/inquest", Version: "v1.2.3", Sum: "h1:abc="},
			Settings: []debug.BuildSetting{{Key: "CGO_ENABLED", Value: "0"}, {Key: "-trimpath", Value: "true"}, {Key: "-tags", Value: ""}}},
			"inquest " + Version + "\nmodule   example.com/inquest v1.2.3\nsum      h1:abc=\nbuild    CGO_ENABLED=0 -trimpath=true\ngo       go1.26.8 " + target + "\n"},
		{"from a changed checkout", &debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Path: "inquest", Version: "(devel)"},
			Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.time", Value: "2026-11-30T12:00:00Z"}, {Key: "vcs.modified", Value: "true"}}},
			"inquest " + Version + "\nmodule   inquest (devel)\ncommit   0123456789abcdef, changed since\nof       2026-11-30T12:00:00Z\ngo       go1.26.8 " + target + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b strings.Builder
			if err := writeVersion(&b, c.info); err != nil || b.String() != c.want {
				t.Errorf("%v\n%s\nwant\n%s", err, b.String(), c.want)
			}
		})
	}
	if code, stdout, _ := run(nil, "version"); code != exitDone || !strings.HasPrefix(stdout, "inquest "+Version+"\n") || !strings.Contains(stdout, runtime.Version()) {
		t.Errorf("inquest version exits %d and prints %q", code, stdout)
	}
}
