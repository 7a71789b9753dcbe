// Command prog allocates, keeps a growing heap, and now and then collects by itself.
package main

import (
	"runtime"
	"time"
)

var kept [][]byte

func main() {
	for began, n := time.Now(), 0; time.Since(began) < 700*time.Millisecond; n++ {
		for range 64 {
			b := make([]byte, 16<<10)
			if n%16 == 0 {
				kept = append(kept, b)
			}
		}
		if n%400 == 399 {
			runtime.GC()
		}
		time.Sleep(200 * time.Microsecond)
	}
}
