package report

// Redaction is what was taken out of a document before it was written.
type Redaction struct {
	Level   string `json:"level"`             // "names" or "strict"
	Mapping string `json:"mapping,omitempty"` // id of the mapping the tokens are from; empty when it was not kept
}

// The levels of redaction.
const (
	// RedactNames takes out what names people, machines and places: paths, hosts,
	// addresses, labels, and what logs say. Names in code stay.
	RedactNames = "names"
	// RedactStrict also takes out every name in code that is not the standard library's.
	RedactStrict = "strict"
)
