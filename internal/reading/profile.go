package reading

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/pprofile"
	"inquest/internal/evidence/stack"
)

// Busy is the CPU time of a profile over its duration x GOMAXPROCS; 0 when the
// profile states no duration, and against one processor when GOMAXPROCS is unknown.
func Busy(p *pprofile.Profile, procs int) float64 {
	if p.Duration <= 0 {
		return 0
	}
	share := evidence.Part(float64(p.Total(p.Column("cpu"))), float64(p.Duration)*float64(max(procs, 1))).Number
	if procs > 0 {
		return min(share, 1) // the duration is less exact than the samples
	}
	return share
}

// SiteSum is what a profile's samples add up to at one function.
type SiteSum struct {
	Site   stack.Site // with the line that carries most
	Path   []string   // of the stack that carries most
	Values []int64    // one per column of the profile
	most   int64      // value of the heaviest stack, in the ranking column
	stack  stack.Stack
}

// BySite adds up the samples of a profile by the function that pick names,
// heaviest in the given column first. Samples for which pick returns the zero
// site are left out.
func BySite(p *pprofile.Profile, column int, pick func(*pprofile.Sample) stack.Site) []*SiteSum {
	sums := map[string]*SiteSum{}
	var order []*SiteSum
	if column < 0 {
		return nil
	}
	for i := range p.Samples {
		s := &p.Samples[i]
		site := pick(s)
		if site == (stack.Site{}) {
			continue
		}
		sum := sums[site.Function]
		if sum == nil {
			sum = &SiteSum{Site: site, Values: make([]int64, len(p.Columns)), most: -1}
			sums[site.Function] = sum
			order = append(order, sum)
		}
		for c, v := range s.Values {
			sum.Values[c] += v
		}
		if v := s.Values[column]; v > sum.most {
			sum.most, sum.Site, sum.stack = v, site, s.Stack
		}
	}
	for _, sum := range order {
		sum.Path = sum.stack.Path()
	}
	slices.SortStableFunc(order, func(a, b *SiteSum) int {
		return cmp.Or(-cmp.Compare(a.Values[column], b.Values[column]), cmp.Compare(a.Site.Function, b.Site.Function))
	})
	return order
}

// Latest returns the newest exhibit: the one that a claim about now rests on.
func Latest(exhibits []*evidence.Exhibit) *evidence.Exhibit { return exhibits[len(exhibits)-1] }

// nearlyAll is the part of a function's samples from which who calls it answers for them: of ten calls at most one is another's.
const nearlyAll = 0.9

// CallersOf returns the functions of the program that call a site and are on nearly all
// stacks by which it is reached, nearest first; weigh is what a sample counts.
// The entry points of programs and tests, where everything meets, are none.
func CallersOf(p *pprofile.Profile, site string, weigh func(*pprofile.Sample) int64) []stack.Site {
	sums, sites, depths := map[string]int64{}, map[string]stack.Site{}, map[string]int{}
	var all int64
	for i := range p.Samples {
		s := &p.Samples[i]
		n := weigh(s)
		if n <= 0 || s.Stack.Owner().Function != site {
			continue
		}
		all += n
		seen := map[string]bool{}
		below := false
		for depth, f := range s.Stack {
			name := stack.Normal(f.Function)
			below = below || name == site
			if !below || name == site || seen[name] || !changeable(f) {
				continue
			}
			seen[name] = true
			sums[name] += n
			if depths[name] == 0 || depth < depths[name] {
				sites[name], depths[name] = f.Site(), depth
			}
		}
	}
	var out []stack.Site
	for name, n := range sums {
		if float64(n) >= nearlyAll*float64(all) {
			out = append(out, sites[name])
		}
	}
	slices.SortFunc(out, func(a, b stack.Site) int {
		return cmp.Or(cmp.Compare(depths[a.Function], depths[b.Function]), cmp.Compare(a.Function, b.Function))
	})
	return out
}

// changeable reports whether a frame is of the program's own code and no entry point of a program or a test.
func changeable(f *stack.Frame) bool {
	name := stack.Normal(f.Function)
	return !stack.Standard(name) && !stack.Plumbing(name) && !f.Dependency() && name != "main.main" && !strings.HasPrefix(name, "main.main.func") && !strings.HasSuffix(f.File, "_test.go")
}

// GoroutineColumn is the column that counts goroutines, by its name or because it is the only one; below 0 where there is none.
func GoroutineColumn(p *pprofile.Profile) int {
	if column := p.Column("goroutine"); column >= 0 || len(p.Columns) != 1 {
		return column
	}
	return 0
}

// InColumn weighs samples by a column of the profile.
func InColumn(column int) func(*pprofile.Sample) int64 {
	return func(s *pprofile.Sample) int64 { return s.Values[column] }
}

// Usage is how many processors a CPU profile shows in use, on average.
type Usage struct {
	Procs int     // GOMAXPROCS; 0 when unknown
	Used  float64 // processors; 0 when the profile states no duration
}

// UsageOf reads how many processors a CPU profile shows in use.
func UsageOf(p *pprofile.Profile, procs int) Usage {
	if p.Duration <= 0 {
		return Usage{procs, 0}
	}
	used := evidence.Part(time.Duration(p.Total(p.Column("cpu"))), p.Duration).Number
	if procs > 0 {
		used = min(used, float64(procs)) // the duration is less exact than the samples
	}
	return Usage{procs, used}
}

// Part is the use that a share of the samples makes.
func (u Usage) Part(share float64) Usage { return Usage{u.Procs, u.Used * share} }

// Share is the part of all processors; where their number is unknown, of one.
func (u Usage) Share() float64 { return u.Used / float64(max(u.Procs, 1)) }

// Text says how many processors are in use, of how many where that is known.
func (u Usage) Text() claim.Text {
	if u.Procs == 0 {
		used := math.Round(10*u.Used) / 10
		return claim.Textf("%v", used) + evidence.Plural(int64(math.Ceil(used)), " processor", " processors")
	}
	return claim.Textf("%s of %s", evidence.Quantity{Number: u.Share(), Unit: evidence.Share}, evidence.Things(u.Procs, "processor"))
}

// String is Text without its marks.
func (u Usage) String() string { return u.Text().String() }

// Doubt is what an unknown number of processors leaves open.
func (u Usage) Doubt() []claim.Text {
	if u.Procs > 0 {
		return nil
	}
	return []claim.Text{"GOMAXPROCS is unknown; how much of the processors that is was judged against one"}
}

// Schedules reports whether a stack is the scheduler choosing, parking or waking goroutines.
func Schedules(s stack.Stack) bool {
	for _, f := range s {
		switch f.Function {
		case "runtime.schedule", "runtime.findRunnable", "runtime.park_m", "runtime.goready", "runtime.wakep", "runtime.startm", "runtime.goschedImpl", "runtime.ready":
			return true
		}
	}
	return false
}
