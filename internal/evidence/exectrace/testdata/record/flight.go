//go:build go1.25

package main

import (
	"flag"
	"os"
	"runtime/trace"
	"time"
)

var flight = flag.Bool("flight", false, "write what a flight recorder keeps")

func init() {
	begin = func(f *os.File) func() {
		if !*flight {
			return start(f)
		}
		r := trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: 500 * time.Millisecond})
		if err := r.Start(); err != nil {
			panic(err)
		}
		return func() {
			if _, err := r.WriteTo(f); err != nil {
				panic(err)
			}
			r.Stop()
		}
	}
}
