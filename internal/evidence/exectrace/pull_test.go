package exectrace

import "iter"

// pull switches between coroutines, which have events of their own.
func pull(seq iter.Seq[int]) {
	next, stop := iter.Pull(seq)
	defer stop()
	next()
	next()
}
