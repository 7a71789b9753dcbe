package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"inquest/analyze/claim"
	"inquest/analyze/detect"
)

// nearest returns what somebody who wrote word may have meant, or "" when nothing is like it: the fewest
// changes apart, and no more than a third of its letters, so that a short word is not taken for any other. Two letters
// in the wrong order are two changes, which a word of four may have.
func nearest(word string, known []string) string {
	best, least := "", len(word)/3+1
	if len(word) >= 4 {
		least = max(least, 3)
	}
	for _, k := range known {
		if k == word {
			return "" // it is not the word that is wrong
		}
		if len(k) > 4*len(word) || len(word) > 200 {
			continue
		}
		if d := levenshtein.ComputeDistance(strings.ToLower(word), strings.ToLower(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// meant is a hint that names what word may have been meant for, or otherwise.
func meant(word string, known []string, otherwise string) string {
	if near := nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return otherwise
}

// detectorIDs lists the detectors in report order.
func detectorIDs() []string {
	var ids []string
	for _, d := range detect.All {
		ids = append(ids, d.ID)
	}
	return ids
}

// limitNames lists all limits as --limit takes them.
func limitNames() []string {
	var names []string
	add := func(id string, limits []claim.Limit) {
		for _, l := range limits {
			names = append(names, id+"."+l.Name)
		}
	}
	add("impact", claim.ImpactLimits)
	for _, d := range detect.All {
		add(d.ID, d.Limits)
	}
	return names
}

// commandNames lists the subcommands.
func commandNames(root *cobra.Command) []string {
	var names []string
	for _, c := range root.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	return names
}

// flagMistake adds to an error about a flag which one may have been meant.
func flagMistake(c *cobra.Command, err error) error {
	var known []string
	c.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, "--"+f.Name) })
	hint := c.CommandPath() + " --help lists the flags"
	if _, flag, ok := strings.Cut(err.Error(), "unknown flag: "); ok {
		hint = meant(flag, known, hint)
	}
	return failed(hint, "%v", err)
}

// missing is the hint for a path that does not exist: what the folder holds in its place, as far as there is one.
func missing(path string) string {
	path = filepath.Clean(path)
	if len(path) > 4096 {
		return ""
	}
	rest := strings.Split(filepath.ToSlash(path), "/")
	found := ""
	if filepath.IsAbs(path) {
		found = filepath.VolumeName(path) + string(filepath.Separator)
	}
	corrected := false
	for _, element := range rest {
		if element == "" {
			continue
		}
		next := filepath.Join(found, element)
		if _, err := os.Lstat(next); err != nil {
			near := nearest(element, namesIn(found))
			if near == "" {
				return ""
			}
			next, corrected = filepath.Join(found, near), true
		}
		found = next
	}
	if !corrected {
		return ""
	}
	return fmt.Sprintf("did you mean %s?", found)
}

// namesIn lists what a folder holds, or the first of it where it is very large.
func namesIn(dir string) []string {
	const most = 10_000
	f, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(most)
	slices.Sort(names)
	return names
}

// shorthand returns the arguments with "analyze" put before them where they begin with a path, or with
// flags of analyze: evidence is what most people have in their hands.
func shorthand(root *cobra.Command, args []string) []string {
	if len(args) == 0 || strings.HasPrefix(args[0], "__") {
		return args
	}
	first := args[0]
	for _, c := range root.Commands() {
		if c.Name() == first || c.HasAlias(first) {
			return args
		}
	}
	analyze := append([]string{"analyze"}, args...)
	if first == "-" {
		return analyze
	}
	if name, isFlag := strings.CutPrefix(first, "--"); isFlag || strings.HasPrefix(first, "-") {
		name, _, _ = strings.Cut(name, "=")
		c, _, err := root.Find([]string{"analyze"})
		known := err == nil && (isFlag && c.Flags().Lookup(name) != nil || !isFlag && c.Flags().ShorthandLookup(first[1:2]) != nil)
		if known && name != "help" && first != "-h" {
			return analyze
		}
		return args
	}
	if _, err := os.Stat(first); err == nil || strings.ContainsAny(first, `./\`) {
		return analyze
	}
	return args
}
