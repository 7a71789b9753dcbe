package report

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser starts a browser with a page and collects whatever it complains about
// or asks for. Without a browser the test is skipped, unless INQUEST_BROWSER=required.
func browser(t *testing.T) (context.Context, func() []string) {
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		if os.Getenv("INQUEST_BROWSER") == "required" {
			t.Fatal("no browser found, and INQUEST_BROWSER=required")
		}
		t.Skip("no browser found: the HTML report is not looked at (install chromium)")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	stuck := time.AfterFunc(2*time.Minute, cancel)
	t.Cleanup(func() { stuck.Stop() })

	var mu sync.Mutex
	var complaints []string
	complain := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		complaints = append(complaints, fmt.Sprintf(format, args...))
	}
	err := chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, "file:") && !strings.HasPrefix(e.Request.URL, "data:,") {
				complain("asked for %s", e.Request.URL)
			}
		case *runtime.EventConsoleAPICalled:
			complain("console: %v", e.Args)
		case *runtime.EventExceptionThrown:
			complain("exception: %v", e.ExceptionDetails)
		case *log.EventEntryAdded:
			complain("log: %s", e.Entry.Text)
		case *cdpage.EventJavascriptDialogOpening:
			complain("dialog: %s", e.Message)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	command(t, ctx, network.Enable, network.EnableParams{})
	command(t, ctx, log.Enable, cdp.Empty{})
	return ctx, func() []string {
		mu.Lock()
		defer mu.Unlock()
		out := complaints
		complaints = nil
		return out
	}
}

// command sends a command of the browser's protocol.
func command[P, R any](t *testing.T, ctx context.Context, c cdp.Command[P, R], params P) {
	t.Helper()
	run(t, ctx, func(ctx context.Context, target *chromedp.Target) (R, error) { return cdp.Call(ctx, target, c, params) })
}

// run runs an action and returns what it gives.
func run[T any](t *testing.T, ctx context.Context, a chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// eval evaluates an expression in the page.
func eval[T any](t *testing.T, ctx context.Context, expression string) T {
	t.Helper()
	return run(t, ctx, chromedp.Evaluate[T](expression))
}

// lowContrast lists visible text whose contrast is below WCAG AA.
const lowContrast = `(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgb = c => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const bad = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const el = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || el.closest("script, style, title, desc") || !el.checkVisibility()) continue;
    const style = getComputedStyle(el);
    const ink = rgb(el.closest("svg") ? style.fill : style.color);
    let ground = [255, 255, 255, 255];
    for (let e = el; e; e = e.parentElement) {
      const c = rgb(getComputedStyle(e).backgroundColor);
      if (c[3] === 255) { ground = c; break; }
    }
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24;
    if ((a + .05) / (b + .05) < (large ? 3 : 4.5)) bad.add(el.tagName + "." + (el.getAttribute("class") ?? "") + ": " + walker.currentNode.data.slice(0, 40));
  }
  return [...bad];
})()`

// TestInBrowser opens every report in a real browser: silent, alone, readable on
// a phone, in light and dark, and with every control reachable by keyboard.
func TestInBrowser(t *testing.T) {
	ctx, complaints := browser(t)
	shots := os.Getenv("INQUEST_SHOTS") // a folder to keep screenshots in
	for _, name := range append(cases, "orders-lockheld", "healthy-service") {
		var r *Report
		if dir := filepath.Join(fixtures, name); slices.Contains(cases, name) {
			r = load(t, name)
		} else {
			r = judged(t, dir)
		}
		path := filepath.Join(t.TempDir(), name+".html")
		if err := os.WriteFile(path, []byte(written(t, WriteHTML, r)), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, view := range []struct {
			name, scheme string
			width        int64
		}{{"wide", "light", 1280}, {"wide", "dark", 1280}, {"phone", "light", 390}, {"phone", "dark", 390}} {
			label := name + "-" + view.name + "-" + view.scheme
			run(t, ctx, chromedp.EmulateViewport(view.width, 844))
			command(t, ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: view.scheme}},
			})
			run(t, ctx, chromedp.Navigate("file://"+path))
			width, inner := eval[int64](t, ctx, `document.documentElement.scrollWidth`), eval[int64](t, ctx, `innerWidth`)
			ground := eval[string](t, ctx, `getComputedStyle(document.body).backgroundColor`)
			hidden := eval[[]string](t, ctx, `[...document.querySelectorAll("h1, #answer > .lead")].filter(e => !e.checkVisibility()).map(e => e.textContent)`)
			eval[chromedp.Void](t, ctx, `for (const d of document.querySelectorAll("details")) d.open = true`)
			opened := eval[int64](t, ctx, `document.documentElement.scrollWidth`)
			bad := eval[[]string](t, ctx, lowContrast)
			if shots != "" && name != "hostile" {
				run(t, ctx, chromedp.Navigate("file://"+path))
				shot := run(t, ctx, chromedp.FullScreenshot(100))
				if err := os.WriteFile(filepath.Join(shots, label+".png"), shot, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if inner != view.width || width > inner || opened > inner {
				t.Errorf("%s: page is %d wide, %d with everything open, in a window of %d", label, width, opened, inner)
			}
			if dark := ground != "rgb(255, 255, 255)"; dark != (view.scheme == "dark") {
				t.Errorf("%s: background is %s", label, ground)
			}
			if len(bad) > 0 {
				t.Errorf("%s: contrast below 4.5: %q", label, bad)
			}
			if len(hidden) > 0 {
				t.Errorf("%s: the answer is hidden: %q", label, hidden)
			}
			for _, c := range complaints() {
				t.Errorf("%s: %s", label, c)
			}
		}
	}
}

// TestByKeyboard tabs through the incident and counts what got the focus.
func TestByKeyboard(t *testing.T) {
	ctx, _ := browser(t)
	path := filepath.Join(t.TempDir(), "r.html")
	if err := os.WriteFile(path, []byte(written(t, WriteHTML, load(t, "incident"))), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, ctx, chromedp.EmulateViewport(390, 844))
	run(t, ctx, chromedp.Navigate("file://"+path))
	controls := eval[int](t, ctx, `[...document.querySelectorAll("a[href], summary, button, [tabindex='0']")].filter(e => e.checkVisibility()).length`)
	eval[chromedp.Void](t, ctx, `window.seen = new Set(); addEventListener("focusin", e => seen.add(e.target))`)
	for range controls + 2 {
		run(t, ctx, chromedp.KeyEvent("\t"))
	}
	reached := eval[int](t, ctx, `seen.size`)
	if reached != controls || controls == 0 {
		t.Errorf("the tab key reaches %d of %d controls", reached, controls)
	}
}

// TestWithoutScript opens the incident with scripting off: the same text must show.
func TestWithoutScript(t *testing.T) {
	ctx, complaints := browser(t)
	path := filepath.Join(t.TempDir(), "r.html")
	if err := os.WriteFile(path, []byte(written(t, WriteHTML, load(t, "incident"))), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, ctx, chromedp.Navigate("file://"+path))
	with := eval[string](t, ctx, `for (const b of document.querySelectorAll("button")) b.remove(); document.querySelector("main").innerText`)
	command(t, ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	run(t, ctx, chromedp.Navigate("file://"+path))
	without := eval[string](t, ctx, `document.querySelector("main").innerText`)
	if with != without || without == "" {
		t.Errorf("with scripting the page reads\n%s\nwithout\n%s", with, without)
	}
	for _, c := range complaints() {
		t.Error(c)
	}
}
