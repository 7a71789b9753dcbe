package look

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"

	"inquest/analyze/evidence"
)

// MaxLine is how much of a line a row holds, in bytes.
const MaxLine = 500

// Lines lists the lines of a text that hold a word, or all of them where it is empty, as the file has them. The reader is
// read to its end, in bounded memory.
func Lines(ctx context.Context, r io.Reader, word string, q Question) (Page, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	p := Page{Title: "lines", From: max(q.From, 0)}
	if word != "" {
		p.Title = fmt.Sprintf("lines that hold %q", word)
	}
	for n := 1; ; n++ {
		line, held, err := readLine(in, []byte(word))
		if err != nil && err != io.EOF {
			return p, err
		}
		if n%10000 == 0 && ctx.Err() != nil {
			return p, ctx.Err()
		}
		if err == io.EOF && len(line) == 0 && !held {
			break
		}
		if held {
			if p.Count >= p.From && len(p.Rows) < q.size() {
				p.Rows = append(p.Rows, Row{What: string(bytes.ToValidUTF8(line, []byte("\uFFFD"))), Value: evidence.Of(n, evidence.Count), Line: n})
			}
			p.Count++
		}
		if err == io.EOF {
			break
		}
	}
	if p.Count == 0 {
		return p, fmt.Errorf("%w: no line holds %q", ErrNothing, word)
	}
	if end := p.From + len(p.Rows); end < p.Count {
		p.Next = end
	}
	return p, nil
}

// readLine returns the beginning of a line, without its end, and whether all of it holds a word. A word that lies across
// two reads of a line of more than 64 KiB is found: the end of one is looked at with the next.
func readLine(in *bufio.Reader, word []byte) (line []byte, held bool, err error) {
	held = len(word) == 0
	var tail []byte
	for {
		part, err := in.ReadSlice('\n')
		part = bytes.TrimRight(part, "\r\n")
		if room := MaxLine - len(line); room > 0 {
			line = append(line, part[:min(len(part), room)]...)
		}
		if !held {
			seam := append(tail, part...)
			held = bytes.Contains(seam, word)
			tail = append([]byte(nil), seam[max(0, len(seam)-len(word)):]...)
		}
		if err != bufio.ErrBufferFull {
			if len(line) == 0 && err == io.EOF {
				return nil, false, io.EOF
			}
			return line, held, err
		}
	}
}
