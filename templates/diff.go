package templates

import _ "embed"

// DiffHTML is the html/template of the HTML view of a comparison.
//
//go:embed diff.html.tmpl
var DiffHTML string

// DiffCSS is what its style sheet adds to CSS.
//
//go:embed diff.css
var DiffCSS string
