package html

import (
	"context"
	"errors"
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

	"inquest/report"
	"inquest/report/internal/reporttest"
)

// TestMain ends the browser that the tests share.
func TestMain(m *testing.M) {
	code := m.Run()
	if opened != nil {
		opened.end()
	}
	os.Exit(code)
}

// opened is the shared browser once a test has asked for it.
var opened *session

var errNoBrowser = errors.New("no browser found: the HTML report is not looked at (install chromium)")

// sharedBrowser starts the browser in which every test has a tab of its own.
var sharedBrowser = sync.OnceValues(func() (*session, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		dir, err := os.MkdirTemp("", "inquest-browser-")
		if err != nil {
			return nil, err
		}
		opts := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(dir),
			chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
		alloc, cancelAlloc := chromedp.NewExecAllocator(context.Background(), opts...)
		ctx, cancel := chromedp.NewContext(alloc)
		s := &session{ctx, func() { cancel(); cancelAlloc(); _ = os.RemoveAll(dir) }}
		if _, err := chromedp.Run(ctx, chromedp.Navigate("about:blank")); err != nil {
			s.end()
			return nil, err
		}
		return s, nil
	}
	return nil, errNoBrowser
})

// session is a running browser and how to end it.
type session struct {
	ctx context.Context
	end func()
}

// browser opens a page and collects whatever it complains about or asks for.
// Without a browser the test is skipped, unless INQUEST_BROWSER=required.
func browser(t *testing.T) (context.Context, func() []string) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	s, err := sharedBrowser()
	if errors.Is(err, errNoBrowser) && os.Getenv("INQUEST_BROWSER") != "required" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	opened = s
	ctx, cancel := chromedp.NewContext(s.ctx)
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
	err = chromedp.Listen(ctx, func(event any) {
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
func eval[T any](t *testing.T, ctx context.Context, expression string, opts ...chromedp.EvaluateOption) T {
	t.Helper()
	return run(t, ctx, chromedp.Evaluate[T](expression, opts...))
}

// lowContrast lists visible text whose contrast is below WCAG AA.
const lowContrast = `(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const known = new Map(); // reading a canvas is slow, and a page has few colours
  const rgb = c => {
    if (!known.has(c)) { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); known.set(c, [...canvas.getImageData(0, 0, 1, 1).data]); }
    return known.get(c);
  };
  const light = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const bad = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const el = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || el.closest("script, style, title, desc") || !el.checkVisibility()) continue;
    const style = getComputedStyle(el);
    const ink = rgb(el.closest("svg") ? style.fill : style.color);
    let ground = [255, 255, 255, 255];
    const under = el.closest("svg") && (el.parentElement.matches("a") ? el.parentElement.querySelector("rect") : el.previousElementSibling?.matches("g") ? el.previousElementSibling.querySelector("rect") : el.previousElementSibling?.matches(".box, .boxname") && [...el.parentElement.querySelectorAll("rect.box")].findLast(b => b.compareDocumentPosition(el) & 4));
    if (under) {
      const part = +getComputedStyle(under).fillOpacity, page = rgb(getComputedStyle(document.body).backgroundColor);
      const fill = rgb(getComputedStyle(under).fill).map((v, i) => part * v + (1 - part) * page[i]);
      const [a, b] = [light(ink), light(fill)].sort((x, y) => y - x);
      if ((a + .05) / (b + .05) < 4.5) bad.add(el.tagName + " on its frame, " + under.parentElement.getAttribute("class") + ": " + walker.currentNode.data.slice(0, 40));
      continue;
    }
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

// pageOf writes a report's page and returns its path: of the cases under testdata, or of a recorded one.
func pageOf(t *testing.T, name string) string {
	t.Helper()
	var r *report.Report
	if slices.Contains(reporttest.Cases, name) {
		r = reporttest.Load(t, name)
	} else {
		r = reporttest.Judged(t, reporttest.Recorded(t, name))
	}
	path := filepath.Join(t.TempDir(), name+".html")
	if err := os.WriteFile(path, []byte(reporttest.Written(t, Write, r)), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestInBrowser opens every report in a real browser: silent, alone, readable on
// a phone, in light and dark, and with every control reachable by keyboard.
func TestInBrowser(t *testing.T) {
	t.Parallel()
	ctx, complaints := browser(t)
	shots := os.Getenv("INQUEST_SHOTS") // a folder to keep screenshots in
	for _, name := range reporttest.Some(append(reporttest.Cases, "orders-lockheld", "sessions-mapgrowth", "ledger-deadlock", "tickets-mapcrash", "healthy-service"), 3) {
		path := pageOf(t, name)
		for _, view := range []struct {
			name, scheme string
			width        int64
		}{{"wide", "light", 1400}, {"wide", "dark", 1400}, {"tablet", "light", 768}, {"phone", "light", 390}, {"phone", "dark", 390}} {
			label := name + "-" + view.name + "-" + view.scheme
			run(t, ctx, chromedp.EmulateViewport(view.width, 844))
			command(t, ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: view.scheme}},
			})
			run(t, ctx, chromedp.Navigate("file://"+path))
			if shots != "" && name != "hostile" {
				if err := os.WriteFile(filepath.Join(shots, label+".png"), run(t, ctx, chromedp.FullScreenshot(100)), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			const overflow = `[document.scrollingElement.scrollWidth, document.scrollingElement.clientWidth]`
			closed := eval[[]int64](t, ctx, overflow)
			ground := eval[string](t, ctx, `getComputedStyle(document.body).backgroundColor`)
			hidden := eval[[]string](t, ctx, `[...document.querySelectorAll("h1, #answer > .lead, #answer .now li")].filter(e => !e.closest("details") && !e.checkVisibility()).map(e => e.textContent)`)
			eval[chromedp.Void](t, ctx, `for (const d of document.querySelectorAll("details")) d.open = true`)
			opened := eval[[]int64](t, ctx, overflow)
			bad := eval[[]string](t, ctx, lowContrast)
			if closed[0] > closed[1] || opened[0] > opened[1] || closed[1] > view.width {
				t.Errorf("%s: page is %d wide, %d with everything open, in a window of %d", label, closed[0], opened[0], closed[1])
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

// TestLinksLeadSomewhere follows every link within the pages: its target exists, and
// what folds it away opens.
func TestLinksLeadSomewhere(t *testing.T) {
	ctx, complaints := browser(t)
	for _, name := range []string{"incident", "orders-lockheld", "sessions-mapgrowth"} {
		run(t, ctx, chromedp.Navigate("file://"+pageOf(t, name)))
		dead := eval[[]string](t, ctx, `[...document.querySelectorAll("a")].map(a => a.getAttribute("href")).filter(h => !h.startsWith("#") || !document.getElementById(h.slice(1)))`)
		if len(dead) > 0 {
			t.Errorf("%s: links without a target: %q", name, dead)
		}
		if n := eval[int](t, ctx, `document.querySelectorAll(".timeline a").length`); n == 0 {
			t.Errorf("%s: the timeline points at nothing", name)
		}
		eval[chromedp.Void](t, ctx, `location.hash = document.querySelector(".timeline a").getAttribute("href")`)
		shown := eval[bool](t, ctx, `new Promise(done => setTimeout(() => done(document.getElementById(location.hash.slice(1)).checkVisibility()), 100))`, chromedp.EvalAwaitPromise)
		if !shown {
			t.Errorf("%s: a link from the timeline leads to something folded away", name)
		}
		for _, c := range complaints() {
			t.Errorf("%s: %s", name, c)
		}
	}
}

// TestFlameGraph zooms by mouse and keyboard and searches a call tree.
func TestFlameGraph(t *testing.T) {
	ctx, complaints := browser(t)
	run(t, ctx, chromedp.EmulateViewport(1400, 900))
	run(t, ctx, chromedp.Navigate("file://"+pageOf(t, "sessions-mapgrowth")))
	eval[chromedp.Void](t, ctx, `for (const d of document.querySelectorAll("details")) d.open = true;
		window.tree = [...document.querySelectorAll("svg.flame")].find(s => s.querySelectorAll("g").length > 50);
		window.culprit = tree.querySelector("g.culprit");
		window.width = g => +g.querySelector("rect").getAttribute("width");
		window.shown = () => [...tree.querySelectorAll("g")].filter(g => g.getAttribute("display") !== "none").length`)
	all := eval[int](t, ctx, `shown()`)
	before := eval[float64](t, ctx, `width(culprit)`)
	eval[chromedp.Void](t, ctx, `culprit.dispatchEvent(new MouseEvent("click", {bubbles: true}))`)
	if zoomed := eval[float64](t, ctx, `width(culprit)`); before >= 960 || zoomed < 959 {
		t.Errorf("the culprit is %v wide before and %v after it was clicked, want less than 960 and 960", before, zoomed)
	}
	if n := eval[int](t, ctx, `shown()`); n >= all || n < 2 {
		t.Errorf("%d of %d calls show when zoomed", n, all)
	}
	run(t, ctx, chromedp.KeyEvent("\u001b"))
	if got := eval[float64](t, ctx, `width(culprit)`); got != before {
		t.Errorf("Escape leaves the culprit %v wide, want %v", got, before)
	}
	eval[chromedp.Void](t, ctx, `tree.querySelector("g").focus()`)
	for range 3 {
		eval[chromedp.Void](t, ctx, `document.activeElement.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowDown", bubbles: true}))`)
	}
	run(t, ctx, chromedp.KeyEvent("\r"))
	if y := eval[float64](t, ctx, `+document.activeElement.querySelector("rect").getAttribute("y")`); y != 54 {
		t.Errorf("three steps down lead to a call at %v, want 54", y)
	}
	if got := eval[float64](t, ctx, `width(document.activeElement)`); got != 960 {
		t.Errorf("Enter makes the call %v wide, want 960", got)
	}
	eval[chromedp.Void](t, ctx, `window.box = tree.closest("figure").querySelector("input"); box.value = "mapassign"; box.dispatchEvent(new Event("input"))`)
	hits, says := eval[int](t, ctx, `tree.querySelectorAll(".hit").length`), eval[string](t, ctx, `tree.closest("figure").querySelector("output").textContent`)
	if hits == 0 || !strings.Contains(says, "% of the whole") {
		t.Errorf("a search finds %d calls and says %q", hits, says)
	}
	for _, c := range complaints() {
		t.Error(c)
	}
}

// TestByKeyboard tabs through the incident and counts what got the focus.
func TestByKeyboard(t *testing.T) {
	ctx, _ := browser(t)
	path := filepath.Join(t.TempDir(), "r.html")
	if err := os.WriteFile(path, []byte(reporttest.Written(t, Write, reporttest.Load(t, "incident"))), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, ctx, chromedp.EmulateViewport(390, 844))
	run(t, ctx, chromedp.Navigate("file://"+path))
	controls := eval[int](t, ctx, `(window.controls = [...document.querySelectorAll("a[href], summary, button, input, [tabindex='0']")].filter(e => e.checkVisibility() && !e.disabled)).length`)
	eval[chromedp.Void](t, ctx, `window.seen = new Set(); addEventListener("focusin", e => seen.add(e.target))`)
	for range controls + 2 {
		run(t, ctx, chromedp.KeyEvent("\t"))
	}
	reached := eval[int](t, ctx, `seen.size`)
	if reached != controls || controls == 0 {
		t.Errorf("the tab key reaches %d of %d controls; the others: %q", reached, controls,
			eval[[]string](t, ctx, `[...seen].filter(e => !controls.includes(e)).concat(controls.filter(e => !seen.has(e))).map(e => e.outerHTML.slice(0, 120))`))
	}
}

// TestWithoutScript opens the incident with scripting off: the same text must show.
func TestWithoutScript(t *testing.T) {
	ctx, complaints := browser(t)
	path := filepath.Join(t.TempDir(), "r.html")
	if err := os.WriteFile(path, []byte(reporttest.Written(t, Write, reporttest.Load(t, "incident"))), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, ctx, chromedp.Navigate("file://"+path))
	with := eval[string](t, ctx, `for (const b of document.querySelectorAll("button, .scripted")) b.remove(); document.querySelector("main").innerText`)
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
