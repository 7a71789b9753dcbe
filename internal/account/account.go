// Package account says where it all went: the time of the processors and of the operations, the memory, the goroutines and the
// delay at locks and channels, each split up into parts that add up to the whole exactly. It measures what every kind of evidence
// allows, judges nothing and is silent about nothing: what no part is known of is printed as unknown.
package account

import (
	"cmp"
	"math"
	"slices"
	"time"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/internal/evidence/stack"
)

// Case is what the accounts are read from: the usable exhibits of one build of a program, and what is known about its process.
type Case struct {
	Exhibits map[evidence.Kind][]*evidence.Exhibit // oldest first
	Process  claim.Process
}

// Of returns the accounts that the evidence of a case allows, in the order of claim.AccountNames; of one name the one that tells
// most comes first.
func Of(c Case) []claim.Account {
	return slices.Concat(c.processors(), c.operations(), c.memory(), c.goroutines(), c.contention())
}

// last is the newest exhibit of a kind; nil when there is none.
func (c Case) last(kind evidence.Kind) *evidence.Exhibit {
	if all := c.Exhibits[kind]; len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

// densest is the exhibit of a profile that covers the most of its column in the shortest time, which is the one that an
// incident is seen in; those without a duration count since the start of the process, and the newest of them holds most.
func (c Case) densest(kind evidence.Kind, column string) (e *evidence.Exhibit) {
	var best float64
	for _, x := range c.Exhibits[kind] {
		p := x.Profile()
		if p == nil || p.Column(column) < 0 {
			continue
		}
		rate := 0.0
		if p.Duration > 0 {
			rate = 1 + float64(p.Total(p.Column(column)))/float64(p.Duration)
		}
		if e == nil || rate >= best {
			e, best = x, rate
		}
	}
	return e
}

// key tells parts of an account apart.
type key struct {
	kind, site, by, for_ string
	what                 claim.Text
	queued               bool
}

func keyOf(p *claim.AccountPart) key {
	k := key{kind: p.Kind, what: p.What, site: p.Site.Function, queued: p.Queued}
	if p.By != nil {
		k.by = p.By.Function
	}
	if p.For != nil {
		k.for_ = p.For.Function
	}
	return k
}

// sums adds parts up.
type sums struct {
	by    map[key]*sum
	order []*sum
}

type sum struct {
	claim.AccountPart
	index int   // in the account that is closed; -1 when it went into the rest
	most  int64 // the largest of what was added, whose place it has
}

// add counts a value for the part that p is of, and hands back that part.
func (s *sums) add(p claim.AccountPart) *sum {
	k := keyOf(&p)
	x := s.by[k]
	if x == nil {
		if s.by == nil {
			s.by = map[key]*sum{}
		}
		x = &sum{AccountPart: p, most: p.Value, index: -1}
		s.by[k] = x
		s.order = append(s.order, x)
		return x
	}
	if p.Value > x.most {
		x.most, x.Site = p.Value, p.Site
	}
	x.Value += p.Value
	x.Count += p.Count
	x.Wall = min(x.Wall+p.Wall, x.Value)
	return x
}

// into closes an account: the largest parts, the rest as one, and what the whole has beyond them as unknown.
func (s *sums) into(a claim.Account) claim.Account {
	parts := slices.DeleteFunc(s.order, func(x *sum) bool { return x.Value == 0 && (x.Before == nil || *x.Before == 0) })
	slices.SortStableFunc(parts, func(x, y *sum) int {
		return cmp.Or(-cmp.Compare(x.Value, y.Value), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.What, y.What), cmp.Compare(x.Site.Function, y.Site.Function))
	})
	a.Unknown = a.Whole
	for i, x := range parts {
		if i >= claim.MaxAccountParts-1 && len(parts) > claim.MaxAccountParts {
			rest := claim.AccountPart{Kind: claim.PartRest, Count: int64(len(parts) - i)}
			rest.What = evidence.Things(rest.Count, "smaller part")
			for _, y := range parts[i:] {
				rest.Value += y.Value
				if y.Before != nil {
					rest.Before = plus(rest.Before, *y.Before)
				}
			}
			a.Parts = append(a.Parts, rest)
			a.Unknown -= rest.Value
			break
		}
		x.index = len(a.Parts)
		a.Parts = append(a.Parts, x.AccountPart)
		a.Unknown -= x.Value
	}
	for i := range a.Parts {
		a.Parts[i].Share = evidence.Part(a.Parts[i].Value, a.Whole).Number
	}
	return a
}

func plus(sum *int64, n int64) *int64 {
	if sum != nil {
		n += *sum
	}
	return &n
}

// site is a place as an account has it.
func site(s stack.Site) claim.Site {
	return claim.Site{Function: s.Function, File: s.File, Line: s.Line}
}

// someone is a place that may be nowhere.
func someone(s stack.Site) *claim.Site {
	if s.Function == "" {
		return nil
	}
	x := site(s)
	return &x
}

// share is a part of an account in words, in whole per cent where that says enough.
func share(n, whole int64) claim.Text {
	q := evidence.Part(n, whole)
	if r := math.Round(q.Number * 100); r >= 10 && (r < 100 || n == whole) {
		q.Number = r / 100
	}
	return q.Text()
}

// ofKind adds up the parts of some kinds.
func ofKind(a *claim.Account, kinds ...string) (n int64) {
	for i := range a.Parts {
		if slices.Contains(kinds, a.Parts[i].Kind) {
			n += a.Parts[i].Value
		}
	}
	return n
}

// largest returns the largest part that is none of some kinds; nil when there is none.
func largest(a *claim.Account, but ...string) *claim.AccountPart {
	for i := range a.Parts {
		if p := &a.Parts[i]; !slices.Contains(but, p.Kind) && p.Kind != claim.PartRest {
			return p
		}
	}
	return nil
}

// start is where a goroutine of a stack began: the outermost function that is not the runtime's own.
func start(s stack.Stack) stack.Site {
	for i := len(s) - 1; i >= 0; i-- {
		if !stack.Plumbing(s[i].Function) {
			return s[i].Site()
		}
	}
	return stack.Site{}
}

// count is a number that may be a fraction, as of processors: "1.9", "2", "0.03".
func count(n float64) claim.Text {
	step := 10.0
	if n < 0.095 {
		step = 100
	}
	return evidence.Quantity{Number: math.Round(n*step) / step, Unit: evidence.Count}.Text()
}

// capacity is the time that processors had over a stretch of it; 0 when either is unknown or it is beyond all bounds.
func capacity(procs int, over time.Duration) int64 {
	if procs <= 0 || over <= 0 || int64(over) > (1<<62)/int64(procs) {
		return 0
	}
	return int64(over) * int64(procs)
}

// at names a place for a sentence: " in main.work", or nothing where there is none.
func at(s claim.Site) claim.Text {
	if s.Function == "" {
		return ""
	}
	return " in " + claim.Func(s.Function).Text()
}
