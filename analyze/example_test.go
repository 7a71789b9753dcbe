package analyze_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"inquest/analyze"
	"inquest/analyze/detect"
	"inquest/report"
	"inquest/report/html"
)

// A case is opened, judged and reported.
func Example() {
	result, err := analyze.Case(context.Background(), []string{"../fixtures/locks/orders-lockheld"}, detect.All, analyze.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer result.Bundle.Free()
	for _, f := range result.Findings {
		fmt.Printf("%s %s, confidence %s\n", f.Severity, f.Detector, f.Confidence)
	}
	file, err := os.CreateTemp("", "*.html")
	if err != nil {
		log.Fatal(err)
	}
	defer os.Remove(file.Name())
	if err := html.Write(file, report.New(result)); err != nil {
		log.Fatal(err)
	}
	// Output:
	// critical mutex-hotspot, confidence high
	// critical long-critical-section, confidence high
	// critical goroutine-pileup, confidence high
	// warning p-idle, confidence medium
	// info live-heap, confidence low
	// info cpu-hotspot, confidence low
}
