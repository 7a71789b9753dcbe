package stack

import (
	"hash/maphash"
	"strings"
	"sync/atomic"
)

// looks is what a name of a function says.
type looks struct {
	function, normal, pkg string
	standard, plumbing    bool
}

// remembered are names that were looked at, each where its hash says, whoever stood there before gone: a profile asks
// about some thousand names millions of times. What it takes is bounded, whatever names evidence holds.
var (
	remembered [1 << 14]atomic.Pointer[looks]
	seed       = maphash.MakeSeed()
)

// longName is how long a name may be to be remembered, in bytes.
const longName = 400

func look(function string) *looks {
	if len(function) > longName {
		return lookAt(function)
	}
	slot := &remembered[maphash.String(seed, function)%uint64(len(remembered))]
	if l := slot.Load(); l != nil && l.function == function {
		return l
	}
	l := lookAt(strings.Clone(function)) // the name may be part of a large text
	slot.Store(l)
	return l
}

func lookAt(function string) *looks {
	normal, pkg := function, packageOf(function)
	if !plain(function) {
		normal = normalise(function)
	}
	return &looks{function, normal, pkg, isStandard(function, pkg), isPlumbing(function, normal, pkg)}
}
