package claim

import (
	"math"
	"time"

	"inquest/analyze/evidence"
)

// Power is the smallest fault that a reading would have shown in the evidence it
// had. A reading that shows nothing denies a claim only where that is no larger
// than what matters.
type Power struct {
	Least   evidence.Quantity // smallest fault that would have shown; no unit when nobody knows
	Matters evidence.Quantity // smallest fault that matters, in the same unit
	Says    Text              // the smallest fault in words, such as "8 % or more of the CPU samples"
}

// Enough reports whether every fault that matters would have shown.
func (p Power) Enough() bool { return p.Least.Unit != "" && p.Least.Number <= p.Matters.Number }

// Certain is the rule of three: what happens at a rate of three per stretch looked at
// is seen in it with a probability of 95 %.
const Certain = 3

// growthTime is how long a service may take to start and fill its pools: longer
// than that two states must lie apart to deny growth that would have shown between them.
const growthTime = 10 * time.Minute

// GrowthPower is the power of two states that lie some time apart, of which the
// later must hold so many bytes more.
func GrowthPower(bytes float64, over time.Duration) Power {
	per := func(d time.Duration) evidence.Quantity {
		return evidence.Quantity{Number: bytes / max(d.Seconds(), 1e-9), Unit: evidence.BytesPerSec}
	}
	return Power{per(over), per(growthTime), Textf("growth of %s or more", per(over))}
}

// SharePower is the power of a number of samples against a claim that something
// has a share of them: so large must the true share be that what is seen of it
// reaches the limit in 19 of 20 cases (twice the standard error of a binomial share), by three samples at least.
func SharePower(limit float64, samples int64, matters float64, of Text) Power {
	n := float64(max(samples, 1))
	least := max(limit, Certain/n)
	for range 20 { // least = limit + 2 sqrt(least (1-least) / n), which converges fast
		least = min(max(limit+2*math.Sqrt(least*(1-min(least, 1))/n), Certain/n), 1)
	}
	q := evidence.Quantity{Number: least, Unit: evidence.Share}
	return Power{q, evidence.Quantity{Number: matters, Unit: evidence.Share}, Textf("%s or more %s", q, of)}
}
