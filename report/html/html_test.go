package html

import (
	"html"
	"strings"
	"testing"

	"inquest/report/internal/reporttest"
)

// TestPolicy holds the hashes in the page's policy to the bytes they stand for.
func TestPolicy(t *testing.T) {
	page := html.UnescapeString(reporttest.Written(t, Write, reporttest.Load(t, "incident"))) // a hash may hold +, which the template writes as &#43;
	for _, part := range [][2]string{{"<style>", "</style>"}, {"<script>", "</script>"}} {
		_, rest, _ := strings.Cut(page, part[0])
		source, _, ok := strings.Cut(rest, part[1])
		if !ok || !strings.Contains(page, "'"+digest(source)+"'") {
			t.Errorf("the policy does not allow the page's own %s", part[0])
		}
	}
}
