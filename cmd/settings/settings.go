// Package settings reads the YAML that people write for inquest: config files and
// the truth files of recorded cases. It takes the small part of YAML that such files
// need, so that a file of a stranger costs no more time and memory than it has bytes.
package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// Bounds of a file. The parser's time grows with the square of the entries, so their
// number is bounded, and it calls itself for each level, so their depth is.
const (
	MaxSize    = 64 << 10 // bytes
	maxEntries = 4000     // keys and items
	maxTokens  = 4 * maxEntries
	maxDepth   = 16
)

// Read decodes the one YAML document of r. name is its path for errors, which
// all begin with "name:line:" where a line is to blame. An empty file changes nothing.
func Read(name string, r io.Reader, into any, options ...yaml.DecodeOption) (err error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > MaxSize {
		return fmt.Errorf("%s:%d: larger than %d KiB", name, 1+bytes.Count(data[:MaxSize], []byte("\n")), MaxSize>>10)
	}
	defer func() {
		if p := recover(); p != nil { // a bug of the parser must not end the process
			err = fmt.Errorf("%s: not YAML that can be read: %v", name, p)
		}
	}()
	if line, why := check(lexer.Tokenize(string(data))); why != "" {
		return fmt.Errorf("%s:%d: %s", name, line, why)
	}
	err = yaml.NewDecoder(bytes.NewReader(data), options...).Decode(into)
	if err == nil || err == io.EOF {
		return nil
	}
	var known yaml.Error
	if errors.As(err, &known) {
		if t := known.GetToken(); t != nil && t.Position != nil {
			return fmt.Errorf("%s:%d: %s", name, t.Position.Line, firstLine(known.GetMessage()))
		}
	}
	return fmt.Errorf("%s: %s", name, firstLine(err.Error()))
}

// firstLine leaves out what the parser quotes of the file below its message.
func firstLine(message string) string {
	line, _, _ := strings.Cut(message, "\n")
	return line
}

// check says which line of a file is beyond the bounds, and why; "" when none is.
func check(tokens token.Tokens) (line int, why string) {
	entries, flow, count := 0, 0, 0
	var block []int // columns of the entries that a token stands in
	for _, t := range tokens {
		line = t.Position.Line
		switch t.Type {
		case token.CommentType:
			continue
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			return line, "anchors, aliases and merge keys are not read: write the value out"
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow--
		case token.CollectEntryType:
			entries++
		case token.MappingKeyType, token.MappingValueType, token.SequenceEntryType:
			entries++
			column := t.Position.Column
			if t.Type == token.MappingValueType && t.Prev != nil { // its key stands before it
				column = t.Prev.Position.Column
			}
			for len(block) > 0 && block[len(block)-1] >= column {
				block = block[:len(block)-1]
			}
			if flow == 0 {
				block = append(block, column)
			}
		}
		count++
		switch {
		case flow+len(block) > maxDepth:
			return line, fmt.Sprintf("nested deeper than %d levels", maxDepth)
		case entries > maxEntries:
			return line, fmt.Sprintf("more than %d keys and items", maxEntries)
		case count > maxTokens:
			return line, "more than such a file can need"
		}
	}
	return 0, ""
}
