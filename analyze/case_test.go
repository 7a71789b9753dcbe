package analyze

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
)

// TestCaseWithoutEvidence is an error that says so, whether nothing is there or nothing can be used.
func TestCaseWithoutEvidence(t *testing.T) {
	empty := t.TempDir()
	broken := filepath.Join(t.TempDir(), "cpu.pb.gz")
	if err := os.WriteFile(broken, []byte("\x1f\x8b\x08 cut"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{empty, broken, filepath.Join(empty, "none")} {
		if res, err := Case(t.Context(), []string{path}, detect.All, Options{}); err == nil {
			t.Errorf("%s: %d verdicts and no error", path, len(res.Verdicts))
		}
	}
}

// TestCaseInterrupted: whoever ends the reading gets the context's error, and nothing is taken for judged that was not read.
func TestCaseInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	res, err := Case(ctx, []string{"../fixtures/locks/orders-lockheld"}, detect.All, Options{})
	if err == nil || len(res.Findings) > 0 {
		t.Errorf("%d findings, %v", len(res.Findings), err)
	}
}

// TestCaseUnderALabel: what rests on every goroutine being there is not asked, and the result says that it was not.
func TestCaseUnderALabel(t *testing.T) {
	opt := Options{Evidence: evidence.Options{Focus: evidence.Focus{Label: [2]string{"tenant", "acme"}}}}
	var unasked []string
	for _, d := range opt.Unasked(detect.All) {
		unasked = append(unasked, d.ID)
	}
	if len(unasked) == 0 || len((&Options{}).Unasked(detect.All)) > 0 {
		t.Fatalf("unasked are %v", unasked)
	}
	const dump = "goroutine 1 [select labels:{\"tenant\": \"acme\"}]:\nmain.main()\n\t/src/main.go:12 +0x2b\n\n"
	opt.Evidence.Stdin = strings.NewReader(dump)
	res, err := Case(t.Context(), []string{"-"}, detect.All, opt)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range unasked {
		if slices.ContainsFunc(res.Verdicts, func(v claim.Verdict) bool { return v.Detector == id }) || !slices.Contains(res.Options.Skip, id) {
			t.Errorf("%s was asked; left out are %v", id, res.Options.Skip)
		}
	}
	if len(res.Focused) == 0 {
		t.Error("nothing says what became of the exhibit")
	}
}
