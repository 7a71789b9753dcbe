package claim_test

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"slices"
	"strings"

	"inquest/analyze"
	"inquest/analyze/claim"
	"inquest/analyze/detect"
	"inquest/analyze/evidence"
)

// PollingSleep is a detector that no catalogue has: many goroutines sleep in one place to look again and again
// whether something has happened.
var PollingSleep = &claim.Detector{
	ID:    "polling-sleep",
	Title: "Goroutines sleep to look again",
	Doc: `A goroutine that sleeps in a loop until something has happened learns of it late.

**How it is measured.** By the goroutines of a dump that stand in time.Sleep, by the function that called it.

**When it is wrong.** Work that is done every so often sleeps as well: it is an info at most.`,
	Limits: []claim.Limit{{
		Name: "min-goroutines", Default: evidence.Quantity{Number: 10, Unit: evidence.Count},
		Doc: "goroutines that sleep at one place", Source: "Judgement call: a few tickers are normal",
	}},
	Measures: []claim.Measure{{Kind: evidence.Dump, Doc: "goroutines in time.Sleep, by caller", Run: pollingSleep}},
	Fix:      []claim.Text{"Wait on a channel that whoever brings it about closes"},
	Explains: []claim.Mechanism{{Effect: "goroutine-pileup", Why: "whoever polls stands there until the next look", Source: "time.Sleep"}},
	Waiting:  true,
}

func pollingSleep(in *claim.Input) claim.Reading {
	e := in.Exhibits[len(in.Exhibits)-1] // the latest
	count := map[string]claim.Candidate{}
	for i := range e.Dump().Goroutines {
		s := e.Dump().Goroutines[i].Stack()
		if e.Dump().Goroutines[i].State != "sleep" {
			continue
		}
		c := count[s.Site().Function]
		c.Site, c.Path, c.Share = s.Site(), s.Path(), c.Share+1
		count[s.Site().Function] = c
	}
	r := claim.Reading{Says: "no place at which so many sleep"}
	for _, c := range count {
		n := c.Share
		if n < in.Limit("min-goroutines").Number {
			continue // a few tickers are no polling
		}
		c.Share = n / float64(len(e.Dump().Goroutines))
		in.Weigh(&c, claim.Impact{Of: claim.Goroutines, Share: c.Share}, claim.Excuse{Holds: true, Says: "they may be meant to sleep"})
		c.Summary = claim.Textf("%.0f goroutines sleep in %s", n, claim.Func(c.Site.Function))
		c.Facts = []claim.Fact{{
			Exhibit: e.ID, Says: "goroutines that sleep here", Value: evidence.Of(n, evidence.Count),
			Limit: in.Against("min-goroutines"), At: claim.At(c.Site), Reproduce: claim.Grep(e, "[sleep"),
		}}
		r.Candidates = append(r.Candidates, c)
	}
	slices.SortFunc(r.Candidates, func(a, b claim.Candidate) int {
		return cmp.Or(-cmp.Compare(a.Share, b.Share), cmp.Compare(a.Site.Function, b.Site.Function))
	})
	return r
}

// A detector of one's own runs beside those of the catalogue, which its mechanisms name.
func Example() {
	all := append(detect.All[:len(detect.All):len(detect.All)], PollingSleep)
	if err := analyze.Validate(all); err != nil {
		log.Fatal(err)
	}
	dump := "goroutine 1 [chan receive]:\nmain.main()\n\t/src/main.go:12 +0x2b\n\n"
	for id := range 20 {
		dump += fmt.Sprintf("goroutine %d [sleep]:\ntime.Sleep(0x3b9aca00)\n\t/go/src/runtime/time.go:195 +0x135\nmain.(*Mailbox).poll(0xc000010000)\n\t/src/mailbox.go:31 +0x45\n\n", id+18)
	}
	result, err := analyze.Case(context.Background(), []string{"-"}, all, analyze.Options{
		Evidence: evidence.Options{Stdin: strings.NewReader(dump)}, Only: []string{PollingSleep.ID},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range result.Findings {
		fmt.Printf("%s: %s, %s\n", f.Detector, f.Severity, f.Summary)
		fmt.Println(f.Evidence[0].Reproduce)
	}
	// Output:
	// polling-sleep: info, 20 goroutines sleep in main.(*Mailbox).poll
	// grep -n -A 12 -F -e '[sleep' stdin
}
