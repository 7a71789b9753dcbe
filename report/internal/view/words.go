package view

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
	"inquest/internal/figure"
	"inquest/report/internal/draw"
)

// Nanoseconds writes a duration.
func Nanoseconds(v float64) string { return evidence.Of(v, evidence.Nanoseconds).String() }

// InWords writes numbers of a unit.
func InWords(unit evidence.Unit) func(float64) string {
	return func(v float64) string { return evidence.Of(v, unit).String() }
}

func meanOf(series []float64) float64 {
	if len(series) == 0 {
		return 0
	}
	var sum float64
	for _, v := range series {
		sum += v / float64(len(series))
	}
	return sum
}

// TimelineWords says what the picture shows.
func TimelineWords(t *figure.Timeline) string {
	count := func(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }
	said := []string{fmt.Sprintf("%s long", evidence.Of(t.Duration, evidence.Nanoseconds))}
	if len(t.Running) > 0 {
		said = append(said,
			fmt.Sprintf("goroutines running: %s on average, %s at most", count(meanOf(t.Running)), count(draw.Highest(t.Running))),
			fmt.Sprintf("runnable: %s on average, %s at most", count(meanOf(t.Runnable)), count(draw.Highest(t.Runnable))),
			fmt.Sprintf("waiting: %s on average, of which for a lock %s, at most %s", count(meanOf(t.Waiting)), count(meanOf(t.SyncWait)), count(draw.Highest(t.SyncWait))))
	}
	if n := len(t.Procs); n > 0 {
		var busy float64
		for _, p := range t.Procs {
			busy += meanOf(p) / float64(n)
		}
		said = append(said, fmt.Sprintf("%d processors busy %s of the time", n, evidence.Of(busy, evidence.Share)))
	}
	said = append(said, fmt.Sprintf("in GC mark phases %s of the time", evidence.Of(meanOf(t.GC), evidence.Share)))
	if n := len(t.Pauses); n > 0 {
		worst := t.Pauses[0]
		for _, p := range t.Pauses {
			if p.Effective > worst.Effective {
				worst = p
			}
		}
		pauses := "pauses"
		if n == 1 {
			pauses = "pause"
		}
		said = append(said, fmt.Sprintf("%d stop-the-world %s drawn, the longest %s (%s) at %s", n, pauses,
			evidence.Of(worst.Effective, evidence.Nanoseconds), worst.Reason, evidence.Of(worst.From, evidence.Nanoseconds)))
	}
	if len(t.Heap) > 0 {
		low, high := t.Heap[0].Live, t.Heap[0].Live
		for _, h := range t.Heap {
			low, high = min(low, h.Live), max(high, h.Live)
		}
		said = append(said, fmt.Sprintf("live heap %s to %s", evidence.Of(low, evidence.Bytes), evidence.Of(high, evidence.Bytes)))
	}
	for _, s := range t.Locks {
		if len(s.Worst) > 0 {
			said = append(said, fmt.Sprintf("the longest wait for a lock in %s: %s, from %s on", Place(s.Site), Nanoseconds(float64(s.Worst[0].To)-float64(s.Worst[0].From)), Offset(s.Worst[0].From)))
		}
	}
	return Capital(strings.Join(said, "; ")) + "."
}

// FlameWords says what a call tree shows: what passes through the culprits, and what was left out.
func FlameWords(f *figure.Flame) string {
	var said []string
	through := map[string]float64{} // by normalised culprit, recursion counted once
	inside := make([]map[string]bool, len(f.Nodes))
	var order []string
	for i, n := range f.Nodes {
		if n.Parent >= 0 && n.Parent < i {
			inside[i] = inside[n.Parent]
		}
		name := stack.Normal(n.Function)
		if !n.Culprit || inside[i][name] {
			continue
		}
		if !slices.Contains(order, name) {
			order = append(order, name)
		}
		through[name] += n.Value
		own := map[string]bool{name: true}
		for k := range inside[i] {
			own[k] = true
		}
		inside[i] = own
	}
	for _, name := range First(3, order) {
		said = append(said, fmt.Sprintf("%s of %s pass through %s", evidence.Part(through[name], f.Total.Number), f.Total, name))
	}
	if len(order) == 0 {
		said = append(said, f.Total.String()+" in all, none of it below a function that a finding names")
	}
	if n := f.LeftOut.Calls; n > 0 {
		said = append(said, fmt.Sprintf("%s of at most %s each are not drawn, %s of the whole together",
			evidence.Things(n, "call"), evidence.Part(f.LeftOut.Largest, f.Total.Number), evidence.Part(f.LeftOut.Value, f.Total.Number)))
	}
	return Capital(strings.Join(said, "; ")) + "."
}

// DistributionWords says what a histogram shows.
func DistributionWords(d *figure.Distribution) string {
	said := fmt.Sprintf("%s %s: half took at most %s, 99 of 100 at most %s, the longest %s", evidence.Of(d.Count, evidence.Count), d.Noun,
		Nanoseconds(float64(d.P50)), Nanoseconds(float64(d.P99)), Nanoseconds(float64(d.Max)))
	for _, l := range First(1, d.Limits) {
		var beyond int64
		for _, b := range d.Buckets {
			if float64(b.From) >= l.Number {
				beyond += b.Count
			}
		}
		said += fmt.Sprintf("; %s lie in steps above the limit %s of %s", evidence.Part(beyond, d.Count), l.Name, l.Quantity)
	}
	return said + "."
}

// LineName names a line of a curve.
func LineName(l figure.CurveLine) string {
	if l.Name != "" {
		return l.Name.String()
	}
	return ShortFunction(Place(l.Site))
}

// CurveWords says how each line went.
func CurveWords(c *figure.Curve) string {
	var said []string
	for _, l := range First(draw.MaxCurves, c.Lines) {
		if n := len(l.Values); n > 0 {
			q := InWords(c.Unit)
			said = append(said, fmt.Sprintf("%s: %s first, %s last, %s at most", LineName(l), q(l.Values[0]), q(l.Values[n-1]), q(draw.Highest(l.Values))))
		}
	}
	return strings.Join(said, "; ") + "."
}

// GraphWho names who waits or holds at a step of a wait graph.
func GraphWho(s claim.WaitStep) string {
	if s.Goroutine == 0 {
		return evidence.Things(s.Waiters, "goroutine").String()
	}
	return fmt.Sprintf("goroutine %d", s.Goroutine)
}

// GraphWords says the graph in sentences.
func GraphWords(g *claim.WaitGraph) string {
	var said []string
	for i, s := range g.Steps {
		if s.Lock == "" {
			said = append(said, fmt.Sprintf("%s stands in %s (%s)", GraphWho(s), Place(s.Site), s.State))
			continue
		}
		verb := "waits"
		if s.Goroutine == 0 {
			verb = "wait"
		}
		clause := fmt.Sprintf("%s %s in %s for %s", GraphWho(s), verb, Place(s.Site), s.Lock)
		switch {
		case i+1 < len(g.Steps):
			clause += ", which " + GraphWho(g.Steps[i+1]) + " holds"
		case g.Circle && g.Count == 1:
			clause += ", which it holds itself"
		case g.Circle && g.Count == len(g.Steps):
			clause += ", which " + GraphWho(g.Steps[0]) + " holds: the circle is closed"
		}
		said = append(said, clause)
	}
	if more := g.Count - len(g.Steps); more > 0 {
		said = append(said, fmt.Sprintf("%d more steps are left out", more))
	}
	return Capital(strings.Join(said, "; ")) + "."
}

// LockWindow is the stretch that a lock's picture shows: the hand-overs that are known.
func LockWindow(m *figure.LockMoment) (from, to int64) {
	from, to = m.Handed[0].From, m.Handed[0].To
	for _, h := range m.Handed {
		from, to = min(from, h.From), max(to, h.To)
	}
	margin := (to - from) / 50
	return max(0, from-margin), to + margin
}

// LockWords says what a lock's picture shows.
func LockWords(m *figure.LockMoment) string {
	from, to := LockWindow(m)
	var held, unknown int64
	holders := map[int64]bool{}
	earlier := 0
	for _, h := range m.Handed {
		holders[h.Holder] = true
		if h.Known {
			held += h.To - h.From
		} else {
			unknown++
		}
		if h.Since < from {
			earlier++
		}
	}
	said := fmt.Sprintf("%s between %s and %s, by %s, around the longest wait for it of %s", evidence.Things(len(m.Handed), "hand-over"),
		Offset(from), Offset(to), evidence.Things(len(holders), "goroutine"), Nanoseconds(float64(m.Longest)))
	if known := int64(len(m.Handed)) - unknown; known > 0 {
		said += fmt.Sprintf("; %s held on average", Nanoseconds(float64(held)/float64(known)))
	}
	if earlier > 0 {
		said += fmt.Sprintf("; %d of the waiters had come before the picture begins", earlier)
	}
	return said + "."
}
