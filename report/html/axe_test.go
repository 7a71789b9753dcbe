package html

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"inquest/report/internal/reporttest"
)

// The accessibility checker, https://github.com/dequelabs/axe-core: fetched when
// the test runs, held to a digest, and no part of this repository.
const (
	axeVersion = "4.14.1"
	axeDigest  = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==" // sha512, as the registry publishes it
)

// axe returns the source of the checker. Where it cannot be fetched the test is
// skipped, unless INQUEST_BROWSER=required.
func axe(t *testing.T) string {
	t.Helper()
	source, err := axeSource()
	if err != nil {
		if os.Getenv("INQUEST_BROWSER") == "required" {
			t.Fatal(err)
		}
		t.Skipf("axe-core cannot be fetched, and accessibility is not checked: %v", err)
	}
	return source
}

func axeSource() (string, error) {
	name := "axe-core-" + axeVersion + ".tgz"
	genuine := func(packed []byte) bool {
		sum := sha512.Sum512(packed)
		return base64.StdEncoding.EncodeToString(sum[:]) == axeDigest
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cached := filepath.Join(cache, "inquest-test", name)
	packed, err := os.ReadFile(cached)
	if err != nil || !genuine(packed) {
		client := http.Client{Timeout: time.Minute}
		resp, err := client.Get(registry() + "/axe-core/-/" + name)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return "", fmt.Errorf("axe-core: the registry says %s", resp.Status)
		}
		if packed, err = io.ReadAll(io.LimitReader(resp.Body, 64<<20)); err != nil {
			return "", err
		}
		if !genuine(packed) {
			return "", errors.New("axe-core: the registry sent other bytes than those that are pinned")
		}
		if err := os.MkdirAll(filepath.Dir(cached), 0o755); err == nil {
			_ = os.WriteFile(cached, packed, 0o644) // only saves time
		}
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return "", err
	}
	files := tar.NewReader(unzipped)
	for {
		head, err := files.Next()
		if err != nil {
			return "", fmt.Errorf("axe-core: no axe.min.js in it: %w", err)
		}
		if head.Name == "package/axe.min.js" {
			source, err := io.ReadAll(files)
			return string(source), err
		}
	}
}

// registry is the package registry that npm on this machine uses.
func registry() string {
	url := cmp.Or(os.Getenv("npm_config_registry"), os.Getenv("NPM_CONFIG_REGISTRY"))
	if url == "" {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if out, err := exec.CommandContext(ctx, "npm", "config", "get", "registry").Output(); err == nil {
			url = strings.TrimSpace(string(out))
		}
	}
	if !strings.HasPrefix(url, "http") {
		url = "https://registry.npmjs.org"
	}
	return strings.TrimSuffix(url, "/")
}

// runAxe checks the page and lists what it violates.
const runAxe = `axe.run(document, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r =>
  r.violations.flatMap(v => v.nodes.slice(0, 3).map(n => v.id + ": " + v.help + ": " + n.html.slice(0, 200) + " " + n.any.map(a => a.message).join("; ").slice(0, 200))))`

// TestAccessible runs axe-core over reports with everything open, in light and dark, wide and narrow.
func TestAccessible(t *testing.T) {
	t.Parallel()
	ctx, _ := browser(t)
	source := axe(t)
	for _, name := range reporttest.Some([]string{"incident", "quiet", "hostile", "ledger-deadlock", "sessions-mapgrowth"}, 3) {
		path := pageOf(t, name)
		for _, view := range []struct {
			scheme string
			width  int64
		}{{"light", 1280}, {"dark", 1280}, {"light", 390}} {
			run(t, ctx, chromedp.EmulateViewport(view.width, 844))
			command(t, ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: view.scheme}},
			})
			run(t, ctx, chromedp.Navigate("file://"+path))
			eval[chromedp.Void](t, ctx, `for (const d of document.querySelectorAll("details")) d.open = true`)
			eval[chromedp.Void](t, ctx, source)
			for _, v := range run(t, ctx, chromedp.Evaluate[[]string](runAxe, chromedp.EvalAwaitPromise)) {
				t.Errorf("%s, %s, %d wide: %s", name, view.scheme, view.width, v)
			}
		}
	}
}
