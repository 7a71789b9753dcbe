package report

import (
	"testing"
)

// The command that a saved report says it was made by may have been written by anybody, and is printed for people to paste.
func TestMadeBy(t *testing.T) {
	for _, argv := range [][]string{{"inquest", "analyze", "a b", "--label=k=v", "-"}, {"inquest", "diff", "./-x", "y", "--strict"}, {"inquest", "analyze"}} {
		if line := CommandLine(argv); line == "" {
			t.Errorf("%q is not shown", argv)
		}
	}
	for _, argv := range [][]string{
		{"sh", "-c", "x"}, {"inquest"}, {"inquest", "capture", "-o", "x", "--", "sh"}, {"inquest", "analyze", "--", "x"}, {"inquest", "analyze", "x", "-o", "y.json"}, {"inquest", "analyze", "x", "-oy.json"},
		{"inquest", "analyze", "x", "--output=y.json"}, {"inquest", "diff", "x", "y", "--redact-map=z"}, {"inquest", "analyze", "x", "--sign-with=k"}, {"./inquest", "analyze", "x"},
	} {
		if line := CommandLine(argv); line != "" {
			t.Errorf("%q is shown as %s", argv, line)
		}
		if note := MadeBy(argv).Note; note == "" {
			t.Errorf("%q: not shown, and no reason", argv)
		}
	}
}
