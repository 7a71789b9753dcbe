package compare

import "inquest/analyze/evidence"

func compareTraces(k *Kind, a, b []*evidence.Exhibit, opt Options) {}
