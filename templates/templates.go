// Package templates holds what the Markdown and HTML views of a report are
// poured into. It holds no logic and no facts.
package templates

import _ "embed"

// Markdown is the text/template of the Markdown view.
//
//go:embed report.md.tmpl
var Markdown string

// HTML is the html/template of the HTML view.
//
//go:embed report.html.tmpl
var HTML string

// CSS is the style sheet of the HTML view.
//
//go:embed report.css
var CSS string

// Script is what the HTML view adds where scripting is on.
//
//go:embed report.js
var Script string
