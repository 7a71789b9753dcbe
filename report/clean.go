package report

// Clean makes a string from evidence safe to show on one line: what a terminal or
// an editor would act on becomes a visible escape, and what is too long is cut.
func Clean(s string) string { return clean(s) }
