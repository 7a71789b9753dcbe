package cmd

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"inquest/report"
	"inquest/report/format"
)

// complete lets shells complete what flags and arguments may say, wherever a command has them.
func complete(root *cobra.Command) {
	limits := limitNames()
	for i := range limits {
		limits[i] += "="
	}
	for _, c := range root.Commands() {
		for flag, words := range map[string][]string{"only": detectorIDs(), "skip": detectorIDs(), "limit": limits, "format": format.Names(), "fail-on": severityNames,
			"redact": {report.RedactNames, report.RedactStrict}} {
			if c.Flags().Lookup(flag) == nil {
				continue
			}
			// It fails only where the flag is none, or has one already.
			_ = c.RegisterFlagCompletionFunc(flag, listed(words))
		}
		if c.Name() == "explain" {
			c.ValidArgsFunction = listed(append(detectorIDs(), "impact"))
		}
	}
}

// listed completes one of the words, or the last of several with commas between them.
func listed(words []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		given := typed[:strings.LastIndexByte(typed, ',')+1]
		var out []cobra.Completion
		for _, w := range words {
			if strings.HasPrefix(w, typed[len(given):]) && !slices.Contains(strings.Split(given, ","), w) {
				out = append(out, given+w)
			}
		}
		directive := cobra.ShellCompDirectiveNoFileComp
		if len(out) == 1 && strings.HasSuffix(out[0], "=") {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		return out, directive
	}
}
