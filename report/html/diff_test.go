package html

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"inquest/report/internal/reporttest"
)

// TestDiffInBrowser opens a comparison in a real browser: silent, alone, readable on
// a phone, in light and dark.
func TestDiffInBrowser(t *testing.T) {
	ctx, complaints := browser(t)
	shots := os.Getenv("INQUEST_SHOTS")
	d := reporttest.Diff()
	var b strings.Builder
	if err := WriteDiff(&b, d); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	path := filepath.Join(t.TempDir(), "diff.html")
	if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, view := range []struct {
		name, scheme string
		width        int64
	}{{"wide", "light", 1280}, {"wide", "dark", 1280}, {"phone", "light", 390}, {"phone", "dark", 390}} {
		label := "diff-" + view.name + "-" + view.scheme
		run(t, ctx, chromedp.EmulateViewport(view.width, 844))
		command(t, ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: view.scheme}},
		})
		run(t, ctx, chromedp.Navigate("file://"+path))
		width, inner := eval[int64](t, ctx, `document.documentElement.scrollWidth`), eval[int64](t, ctx, `innerWidth`)
		if width > inner {
			t.Errorf("%s: page is %d wide in a window of %d", label, width, inner)
		}
		if bad := eval[[]string](t, ctx, lowContrast); len(bad) > 0 {
			t.Errorf("%s: contrast below 4.5: %q", label, bad)
		}
		if eval[int64](t, ctx, `document.querySelectorAll(".flame rect").length`) == 0 {
			t.Errorf("%s: no flame graph", label)
		}
		if shots != "" {
			if err := os.WriteFile(filepath.Join(shots, label+".png"), run(t, ctx, chromedp.FullScreenshot(100)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range complaints() {
			t.Errorf("%s: %s", label, c)
		}
	}
	if strings.Contains(page, "<script") {
		t.Error("the page holds a script")
	}
}
