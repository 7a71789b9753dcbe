package templates

import _ "embed"

// DiffHTML is the html/template of the HTML view of a comparison.
//
//go:embed diff.html.tmpl
var DiffHTML string

// DiffMarkdown is its text/template in Markdown.
//
//go:embed diff.md.tmpl
var DiffMarkdown string

// DiffCSS is what its style sheet adds to CSS.
//
//go:embed diff.css
var DiffCSS string
