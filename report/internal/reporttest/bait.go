package reporttest

import (
	"regexp"
	"strings"
	"unicode"
)

// Baits is what names may hold so that a runner obeys the line that they land in.
var Baits = []string{
	"::error::bait", " ::stop-commands::bait", "\u00a0::add-mask::bait", "\u3000::debug::bait", "\t::set-env name=A::bait", "::set-output name=x::bait",
	"##[add-mask]bait", "##[group]bait", "x##[error]bait", "###[error]bait", "##vso[task.setvariable variable=A]bait", "x ##VSO[task.complete]bait",
	"##teamcity[buildStatus text='bait']", "section_start:1:bait\r\x1b[0K", "x section_end:1:bait", "--- bait", "+++ bait", "~~~ bait", "^^^ +++ bait",
	"a\n::error::bait", "a\r::error::bait", "a\u2028::error::bait", "'::error::bait", "(::error::bait", "\"##[x]", "`::error::bait", "\u200b::error::bait",
}

var foldMark = regexp.MustCompile(`^(---|\+\+\+|~~~|\^\^\^) `)

// Obeys says which line of an output some runner obeys, or "". It is written after what the runners do, not after Guard:
// GitHub's ActionCommand.TryParseV2 trims a line and looks at its beginning, TryParse looks for ##[ anywhere; Azure's
// looks for ##vso[ anywhere whatever its case; GitLab's for section_start: and section_end:; Buildkite's at line beginnings.
func Obeys(text string, own func(line string) bool) string {
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		lower := strings.ToLower(line)
		switch trimmed := strings.TrimFunc(line, func(r rune) bool { return unicode.IsSpace(r) || r == '\uFEFF' }); {
		case strings.HasPrefix(trimmed, "::") && !own(line),
			strings.Contains(lower, "##["), strings.Contains(lower, "##vso["), strings.Contains(lower, "##teamcity["),
			strings.Contains(lower, "section_start:"), strings.Contains(lower, "section_end:"),
			foldMark.MatchString(line):
			return line
		}
	}
	return ""
}
