package report_test

import (
	"strings"
	"testing"

	"inquest/report"
	"inquest/report/internal/reporttest"
)

func TestReadRefuses(t *testing.T) {
	good := reporttest.Written(t, report.WriteJSON, reporttest.Load(t, "incident"))
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the incident does not hold %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for what, c := range map[string]struct{ text, want string }{
		"empty":               {"", "not a report"},
		"not JSON":            {"inquest", "not a report"},
		"other JSON":          {`{"a": 1}`, "no schema"},
		"newer schema":        {change(`report/v1"`, `report/v2"`), `schema "inquest/report/v2"`},
		"unknown field":       {change(`"tool"`, `"tools"`), "newer version"},
		"trailing text":       {good + "{}", "not a report"},
		"two reports":         {good + good, "not a report"},
		"cut off":             {good[:len(good)/2], "not a report"},
		"dangling exhibit":    {change(`"exhibit": "e7"`, `"exhibit": "e70"`), "not listed"},
		"dangling finding":    {change(`"id": "f2"`, `"id": "f9"`), "not listed"},
		"finding in no chain": {change("\"findings\": [\n    \"f4\"\n   ]", `"findings": []`), "not one of its findings"},
		"uneven series":       {change(`"gc": [`, `"gc": [1,`), "different lengths"},
		"unknown severity":    {change(`"severity": "critical"`, `"severity": "dire"`), "severity"},
		"other case":          {change(`"severity": "critical"`, `"Severity": "critical"`), `unknown field "Severity"`},
		"Kelvin sign":         {change(`"kind"`, "\"\u212Aind\""), "unknown field"},
		"long s":              {change(`"severity"`, "\"\u017Feverity\""), "unknown field"},
		"a field twice":       {change(`"severity": "critical"`, `"severity": "info", "severity": "critical"`), "twice"},
		"a list twice":        {change(`"verdicts": [`, `"verdicts": null, "verdicts": [`), "twice"},
		"terminal escapes":    {change(`"severity": "critical"`, `"severity": "\u001b[31m"`), `\x1b[31m`},
	} {
		_, err := report.Read(strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want it to say %q", what, err, c.want)
		}
	}
}
