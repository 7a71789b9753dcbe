package pprofile

import (
	"testing"
	"time"
)

func TestRawDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"3.00": 3 * time.Second, "30.0": 30 * time.Second, "301.": 301 * time.Millisecond, "1m0.": time.Minute, "1m30": 90 * time.Second,
		"2h5m": 125 * time.Minute, "10ms": 10 * time.Millisecond, "": 0, "-3.0": 0, "x": 0,
	} {
		if got := rawDuration(text); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
