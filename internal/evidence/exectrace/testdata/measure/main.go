// Command measure reads one trace in one way and prints what that cost. Peak
// memory belongs to a process, so each measurement needs its own.
//
//	measure -how drain|read [-jobs N] FILE
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"syscall"
	"time"

	"golang.org/x/exp/trace"

	"inquest/analyze/evidence/exectrace"
)

func main() {
	how := flag.String("how", "read", "read, or drain: read every event in one goroutine and throw it away")
	jobs := flag.Int("jobs", 0, "generations read at a time")
	flag.Parse()
	f, err := os.Open(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	st, err := f.Stat()
	if err != nil {
		log.Fatal(err)
	}
	start := time.Now()
	var events int64
	switch *how {
	case "drain":
		events, err = drain(f)
	case "read":
		var tl *exectrace.Timeline
		tl, err = exectrace.Read(context.Background(), f, st.Size(), exectrace.Options{Jobs: *jobs})
		if err == nil {
			events = tl.Events
		}
	}
	if err != nil {
		log.Fatal(err)
	}
	wall := time.Since(start)
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		log.Fatal(err)
	}
	cpu := time.Duration(r.Utime.Nano() + r.Stime.Nano())
	fmt.Printf("events %d wall %.3f cpu %.3f rss %d\n", events, wall.Seconds(), cpu.Seconds(), r.Maxrss>>10)
}

func drain(f io.Reader) (events int64, err error) {
	r, err := trace.NewReader(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return 0, err
	}
	for {
		ev, err := r.ReadEvent()
		if err == io.EOF {
			return events, nil
		}
		if err != nil {
			return events, err
		}
		if ev.Kind() != trace.EventSync {
			events++
		}
	}
}
