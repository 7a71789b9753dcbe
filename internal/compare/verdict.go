package compare

import (
	"cmp"
	"math"
	"slices"

	"inquest/analyze/claim"
)

// Rank is how much a change matters, whatever its size.
type Rank string

// The ranks, highest first. What operations experience matters more than what they cost, and that the program
// stands or dies more than either.
const (
	RankOutcome    Rank = "outcome"    // crashes, deadlocks and what else the detectors find at warning or above
	RankOperations Rank = "operations" // how long operations take and stand still
	RankCost       Rank = "cost"       // what an operation costs: processor time, memory, locks
)

// ranks in their order.
var ranks = []Rank{RankOutcome, RankOperations, RankCost}

// Reason is one change that decides the verdict.
type Reason struct {
	Rank   Rank       `json:"rank"`
	Kind   string     `json:"kind"`   // of the evidence that shows it, as Kind.Kind
	Better bool       `json:"better"` //
	Size   float64    `json:"size"`   // comparable within a rank: the severity of a finding, else the change of the whole, as natural logarithm of a ratio
	Always bool       `json:"always"` // a loss that no gain makes up for: a crash
	Says   claim.Text `json:"says"`   // sentence

}

// Undecided is a kind of evidence, or a part of it, that could not decide. It hides nothing of what others decided.
type Undecided struct {
	Kind string     `json:"kind"`
	Why  claim.Text `json:"why"` // sentence
}

// enough is the part of a loss, of the same rank, that a gain must have to make it a tradeoff.
const enough = 0.5

// decide reaches the verdict on changes of all ranks: what the highest rank that changed says, unless a
// lower one pays for it. Without any change it is a pass, if there was enough to see one.
func decide(reasons []Reason, undecided []Undecided, compared bool) Outcome {
	top, gains, losses := highest(reasons)
	switch {
	case slices.ContainsFunc(reasons, func(r Reason) bool { return r.Always && !r.Better }):
		return Regression
	case top == "" && compared && len(undecided) == 0:
		return Pass
	case top == "":
		return Inconclusive
	case len(losses) == 0:
		if slices.ContainsFunc(reasons, func(r Reason) bool { return !r.Better }) {
			return Tradeoff
		}
		return Improvement
	case len(gains) == 0:
		return Regression
	case top == RankOutcome:
		// A fault for another of the same severity is no bargain.
		if gains[0].Size > losses[0].Size {
			return Tradeoff
		}
	case gains[0].Size >= enough*losses[0].Size:
		return Tradeoff
	}
	return Regression
}

// highest returns the highest rank that changed and its changes, largest first.
func highest(reasons []Reason) (top Rank, gains, losses []Reason) {
	for _, rank := range ranks {
		for _, r := range reasons {
			switch {
			case r.Rank != rank:
			case r.Better:
				gains = append(gains, r)
			default:
				losses = append(losses, r)
			}
		}
		if len(gains)+len(losses) > 0 {
			bySize(gains)
			bySize(losses)
			return rank, gains, losses
		}
	}
	return "", nil, nil
}

func bySize(all []Reason) {
	slices.SortStableFunc(all, func(a, b Reason) int { return cmp.Compare(b.Size, a.Size) })
}

// conclude reaches the verdict on the reasons. Compared says that something could be.
func (r *Result) conclude(compared bool) {
	slices.SortStableFunc(r.Reasons, func(a, b Reason) int {
		return cmp.Or(cmp.Compare(slices.Index(ranks, a.Rank), slices.Index(ranks, b.Rank)), cmp.Compare(truth(a.Better), truth(b.Better)), cmp.Compare(b.Size, a.Size))
	})
	r.Verdict = decide(r.Reasons, r.Undecided, compared)
	top, gains, losses := highest(r.Reasons)
	r.Rank = top
	switch r.Verdict {
	case Pass:
		r.Why = "nothing that counts changed"
	case Inconclusive:
		r.Why = "neither side holds anything that can be compared"
		if len(r.Undecided) > 0 {
			r.Why = undecidedWords(r.Undecided)
		}
	case Regression:
		if always := slices.IndexFunc(losses, func(x Reason) bool { return x.Always }); always > 0 {
			losses[0], losses[always] = losses[always], losses[0]
		}
		r.Why = several(losses) + r.where(losses[0])
	case Improvement:
		r.Why = several(gains) + r.where(gains[0])
	case Tradeoff:
		paid := losses
		if len(paid) == 0 {
			for _, x := range r.Reasons {
				if !x.Better {
					paid = append(paid, x)
				}
			}
		}
		r.Why = gains[0].Says + "; but " + paid[0].Says
		if n := len(gains) + len(paid) - 2; n > 0 {
			r.Why += claim.Textf("; %d more changes count", n)
		}
	}
}

// where names the place of what a benchmark shows, which has none: the largest change of a profile in the same direction.
func (r *Result) where(first Reason) claim.Text {
	if first.Kind != benchmarkKind {
		return ""
	}
	for _, x := range r.Reasons {
		if x.Kind != benchmarkKind && x.Better == first.Better && x.Rank != RankOutcome {
			return "; " + x.Says
		}
	}
	return ""
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// several says the first of changes, and how many more there are.
func several(all []Reason) claim.Text {
	if len(all) == 1 {
		return all[0].Says
	}
	if len(all) == 2 {
		return all[0].Says + "; " + all[1].Says
	}
	return claim.Textf("%s; %s; %d more", all[0].Says, all[1].Says, len(all)-2)
}

func undecidedWords(all []Undecided) claim.Text {
	why := claim.Textf("%s: %s", KindName(all[0].Kind), all[0].Why)
	var names []claim.Text
	for _, u := range all[1:] {
		if name := KindName(u.Kind); u.Kind != all[0].Kind && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		why += ". Also " + claim.Join(names, ", ")
	}
	return why
}

// sizeOf is the size of a change of a whole from one number to another; what came from nothing, or went, is no larger than a hundredfold.
func sizeOf(before, after float64) float64 {
	const most = 100
	if before <= 0 && after <= 0 {
		return 0
	}
	small, large := min(before, after), max(before, after)
	return math.Log(min(large/max(small, math.SmallestNonzeroFloat64), most))
}
