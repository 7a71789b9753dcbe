// Package tokens names what redaction puts in the place of names.
package tokens

import (
	"regexp"
	"strings"
)

// What a token stands for, as it begins.
const (
	Path     = "path-"
	Host     = "host-"
	Address  = "addr-"
	Mail     = "mail-"
	Label    = "label-"
	Text     = "text-"
	Name     = "name-"
	File     = "file-"
	Package  = "pkg"
	Type     = "T"
	Method   = "M"
	Function = "F"
)

// Kinds are all of them.
var Kinds = []string{Path, Host, Address, Mail, Label, Text, Name, File, Package, Type, Method, Function}

var (
	// Alone is a token alone, Within one that stands in a text.
	Alone  = regexp.MustCompile(`^(` + strings.Join(Kinds, "|") + `)([1-9]\d{0,8})$`)
	Within = regexp.MustCompile(`(?:^|[^\pL\pN_-])(?:` + strings.Join(Kinds, "|") + `)[1-9]\d*(?:$|[^\pL\pN_])`)
)
