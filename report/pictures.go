package report

import (
	"inquest/analyze/claim"
	"inquest/analyze/evidence"
)

// What the pictures of a report are drawn from. Each names the exhibits it is
// made of; a view draws those that the chains rest on.

// Flame is the call tree of a profile that findings rest on: callers before
// callees, what is spent below each. Small calls are left out and counted.
type Flame struct {
	Exhibit  string            `json:"exhibit"`
	Title    claim.Text        `json:"title"` // what is spent, such as "CPU time"
	Findings []string          `json:"findings"`
	Total    evidence.Quantity `json:"total"`
	Nodes    []FlameNode       `json:"nodes"` // the first is the whole; parents before their callees; at most MaxFlameNodes
	LeftOut  LeftOut           `json:"left_out"`
}

// FlameNode is one call of a Flame.
type FlameNode struct {
	Parent   int     `json:"parent"` // index; -1 for the whole
	Function string  `json:"function"`
	Value    float64 `json:"value"`             // with callees, in the unit of the total
	Culprit  bool    `json:"culprit,omitempty"` // it is the site of one of the findings, closures and instances included
}

// LeftOut is what was cut from a call tree.
type LeftOut struct {
	Calls   int     `json:"calls"`   // nodes of the whole tree
	Largest float64 `json:"largest"` // of their values
	Value   float64 `json:"value"`   // all of them together
}

// Distribution is how often what took how long.
type Distribution struct {
	Exhibit  string           `json:"exhibit"`
	Title    claim.Text       `json:"title"`
	Site     claim.Site       `json:"site"` // zero for the process as a whole
	Noun     claim.Text       `json:"noun"` // what is counted, such as "waits"
	Findings []string         `json:"findings"`
	Count    int64            `json:"count"`
	P50      int64            `json:"p50_ns"`
	P99      int64            `json:"p99_ns"`
	Max      int64            `json:"max_ns"`
	Limits   []claim.LimitUse `json:"limits"`  // durations that the findings were held against
	Buckets  []Bucket         `json:"buckets"` // half powers of two that hold any, shortest first
}

// Bucket is one step of a Distribution.
type Bucket struct {
	From  int64 `json:"from_ns"`
	To    int64 `json:"to_ns"` // included
	Count int64 `json:"count"`
}

// Curve is how numbers of one unit went on from one moment to the next.
type Curve struct {
	Title    claim.Text    `json:"title"`
	Exhibits []string      `json:"exhibits"`
	Unit     evidence.Unit `json:"unit"`
	Ordinal  bool          `json:"ordinal,omitempty"` // the moments are ordinals, because an exhibit carries no clock
	Lines    []CurveLine   `json:"lines"`             // at most MaxRows
}

// CurveLine is one line of a Curve.
type CurveLine struct {
	Name   claim.Text `json:"name"` // what it is, where it is no site
	Site   claim.Site `json:"site"`
	At     []int64    `json:"at_ns"` // since the first moment
	Values []float64  `json:"values"`
}

// LockMoment is what happened to a lock around the longest wait for it that a trace shows.
type LockMoment struct {
	Exhibit string     `json:"exhibit"`
	Site    claim.Site `json:"site"`  // where it is waited for
	Class   string     `json:"class"` // "mutex", "rwmutex-read" or "rwmutex-write"
	Longest int64      `json:"longest_ns"`
	Handed  []Handed   `json:"handed"` // in order
}

// Handed is one hand-over of a lock.
type Handed struct {
	Holder int64 `json:"holder"` // goroutine
	From   int64 `json:"from_ns"`
	To     int64 `json:"to_ns"`
	Known  bool  `json:"known"` // when it took the lock; else it held it at least since then
	Waiter int64 `json:"waiter"`
	Since  int64 `json:"since_ns"` // when the waiter came
}

// SiteWaits is the longest waits for locks at one site of a timeline.
type SiteWaits struct {
	Site  claim.Site `json:"site"`
	Total int64      `json:"total_ns"` // of all waits there, summed
	Count int64      `json:"count"`
	Worst []WaitSpan `json:"worst"` // longest first, at most MaxWaitSpans
}

// WaitSpan is the wait of one goroutine.
type WaitSpan struct {
	Span
	Goroutine int64 `json:"goroutine"`
}

// Bounds on what a Report keeps for drawing.
const (
	MaxSteps         = 300 // of a timeline
	MaxMarks         = 400
	MaxPauses        = 400
	MaxHeapPoints    = 400
	MaxRows          = 8 // of Bars, Growth and Curve
	MaxFlameNodes    = 260
	MaxFlames        = 8
	MaxDistributions = 8
	MaxCurvePoints   = 200
	MaxCurves        = 8
	MaxLockMoments   = 4
	MaxWaitSites     = 3
	MaxWaitSpans     = 6
)
