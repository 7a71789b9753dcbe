package scheduler

import "inquest/analyze/evidence"

// threadsMade is how many threads a thread creation profile counts.
func threadsMade(e *evidence.Exhibit) int64 {
	return e.Profile().Total(e.Profile().Column(threadColumn(e)))
}

func threadColumn(e *evidence.Exhibit) string {
	if len(e.Profile().Columns) == 0 {
		return "threadcreate"
	}
	return e.Profile().Columns[0].Name
}
