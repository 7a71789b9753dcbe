package templates

import _ "embed"

// IndexHTML is the html/template of the index of many cases.
//
//go:embed index.html.tmpl
var IndexHTML string

// IndexMarkdown is its text/template in Markdown.
//
//go:embed index.md.tmpl
var IndexMarkdown string

// IndexCSS is what its style sheet adds to CSS.
//
//go:embed index.css
var IndexCSS string
