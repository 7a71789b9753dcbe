package bound

import (
	"crypto/sha256"
	"fmt"
	"unicode/utf8"
)

// MaxText is how long a name or another text of a file may be that is kept, in bytes. Names of instances of generic
// functions take some thousands.
const MaxText = 16 << 10

// Text returns a text, or its ends where it is too long, with a hash by which it differs from all others.
func Text[T string | []byte](s T) string {
	if len(s) <= MaxText {
		return string(s)
	}
	const head, tail = MaxText - 1024, 512
	from, to := head, len(s)-tail
	for from > head-utf8.UTFMax && !utf8.RuneStart(s[from]) {
		from--
	}
	for to < len(s)-tail+utf8.UTFMax && !utf8.RuneStart(s[to]) {
		to++
	}
	return fmt.Sprintf("%s...(%d more bytes, all: sha256 %x)...%s", s[:from], to-from, sha256.Sum256([]byte(s)), s[to:])
}
