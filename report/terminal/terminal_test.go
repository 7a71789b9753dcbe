package terminal

import (
	"bytes"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"

	"inquest/internal/safe"
	"inquest/report/internal/reporttest"
)

func TestTerminalWidths(t *testing.T) {
	for _, name := range reporttest.Cases {
		r := reporttest.Load(t, name)
		commands := map[string]bool{}
		for _, f := range safe.Copy(r).Findings {
			for _, fact := range f.Evidence {
				commands["    "+fact.Reproduce.String()] = true
			}
		}
		for _, width := range []int{1, 40, 80, 120} {
			var b bytes.Buffer
			if err := Write(&b, r, Options{Width: width}); err != nil {
				t.Fatal(err)
			}
			for _, line := range strings.Split(b.String(), "\n") {
				// Commands are left whole, so that they can be copied.
				if w := ansi.StringWidth(line); w > max(width, 20) && !commands[line] {
					t.Errorf("%s at %d columns: %d wide: %s", name, width, w, line)
				}
				if strings.HasSuffix(line, " ") && !commands[line] {
					t.Errorf("%s at %d columns: trailing space: %q", name, width, line)
				}
			}
		}
	}
}

// TestColor proves that colour changes nothing but colour, and that plain text is plain.
func TestColor(t *testing.T) {
	r := reporttest.Load(t, "incident")
	var plain, color bytes.Buffer
	if err := Write(&plain, r, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := Write(&color, r, Options{Color: true}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(color.String(), "\x1b[") {
		t.Error("no colour")
	}
	if i := strings.IndexFunc(plain.String(), func(r rune) bool { return r > 0x7E }); i >= 0 {
		t.Errorf("plain text holds %q", plain.String()[i:i+4])
	}
	if got := plainText.Replace(ansi.Strip(color.String())); strings.Join(strings.Fields(got), " ") != strings.Join(strings.Fields(plain.String()), " ") {
		t.Error(cmp.Diff(plain.String(), got))
	}
}
