package recorder_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"inquest/recorder"
)

func ExampleStart() {
	dir, _ := os.MkdirTemp("", "cases")
	defer os.RemoveAll(dir)
	rec, err := recorder.Start(recorder.Options{
		Dir:        dir,
		Latency:    500 * time.Millisecond,
		Goroutines: 10_000,
		CPU:        -1, // so that Capture returns at once
	})
	if err != nil {
		fmt.Println(err) // the service goes on without: a nil *Recorder does nothing
	}
	defer rec.Stop()

	begun := time.Now()
	// ... work ...
	rec.Observe(time.Since(begun))

	if _, err := rec.Capture("an example"); err == nil {
		fmt.Println("captured")
	}
	_, err = rec.Capture("another, at once")
	fmt.Println(errors.Is(err, recorder.ErrTooSoon))
	// Output:
	// captured
	// true
}

func ExampleRecorder_Middleware() {
	rec, err := recorder.Start(recorder.Options{Dir: "/var/lib/orders/cases", Latency: 500 * time.Millisecond})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	defer rec.Stop()
	orders := http.NotFoundHandler()

	public := http.NewServeMux()
	public.Handle("/orders/", rec.Middleware(orders))
	go http.ListenAndServe(":8080", public)

	admin := http.NewServeMux()
	admin.Handle("/case", rec.Handler()) // POST takes a case
	_ = http.ListenAndServe("localhost:6060", admin)
}

func ExampleRecorder_Guard() {
	var rec *recorder.Recorder // of Start
	go func() {
		defer rec.Guard() // a panic writes a case and goes on
		// ... work ...
	}()
}
