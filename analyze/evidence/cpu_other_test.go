//go:build !unix

package evidence

import "time"

// cpuTime is 0: the system does not tell.
func cpuTime() time.Duration { return 0 }
