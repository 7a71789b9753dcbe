package claim

import (
	"errors"
	"slices"

	"inquest/analyze/evidence"
)

// The names of accounts, in the order in which reports print them. Those of impact's currencies are the same wholes.
const (
	ProcessorAccount  = string(Processors) // GOMAXPROCS times the time, or CPU time
	OperationAccount  = string(Operations) // time that operations were under way
	MemoryAccount     = string(Memory)     // live heap
	GoroutineAccount  = string(Goroutines) // all goroutines at one moment
	ContentionAccount = "contention"       // all delay recorded
)

// AccountNames lists the names of accounts in the order in which reports print them.
var AccountNames = []string{ProcessorAccount, OperationAccount, MemoryAccount, GoroutineAccount, ContentionAccount}

// Account says where a whole went, as one exhibit shows it: its parts and what is unknown add up to it exactly. It is measured, and
// judges nothing.
type Account struct {
	Name    string        `json:"name"`            // one of AccountNames
	Exhibit string        `json:"exhibit"`         // id of the exhibit it was read from
	What    Text          `json:"what"`            // what the whole is, such as "memory in use when the heap profile was taken"
	Group   *Site         `json:"group,omitempty"` // of operations: the function in which their goroutines start; absent for those of all groups
	Kind    string        `json:"kind,omitempty"`  // of operations of a group: what makes them begin and end
	Whole   int64         `json:"whole"`           // in the unit
	Unit    evidence.Unit `json:"unit"`
	Count   int64         `json:"count,omitempty"`   // of operations: how many; 0 where that says nothing
	Over    int64         `json:"over_ns,omitempty"` // stretch of time in which the whole arose; 0 for a moment or when unknown
	Before  *int64        `json:"before,omitempty"`  // the whole in the first exhibit of a series; nil where there is none
	Summary Text          `json:"summary"`           // one sentence: what the largest parts are
	Parts   []AccountPart `json:"parts"`             // largest first, at most MaxAccountParts; smaller ones are one part of the kind "rest"
	Unknown int64         `json:"unknown"`           // of the whole, what no part is known of
	Gains   []Gain        `json:"gains,omitempty"`   // of operations: what could be won at the largest places, most first
	Show    Command       `json:"-"`                 // with public tools, shows the whole by its parts; none where there is none
}

// MaxAccountParts is how many parts of an account are told apart.
const MaxAccountParts = 32

// AccountPart is a part of an account.
type AccountPart struct {
	Kind   string  `json:"kind"`              // how it was spent, in one word or two: stable
	What   Text    `json:"what"`              // the same for people, without the places
	Site   Site    `json:"site"`              // where; zero where that is nowhere in the code, or unknown
	By     *Site   `json:"by,omitempty"`      // who is behind it: the caller that carries nearly all, the goroutines that did it, the holder that is waited for
	For    *Site   `json:"for,omitempty"`     // whom it is for: the handler, or what the goroutines were started for; of operations where they waited
	Value  int64   `json:"value"`             // in the unit of the account
	Share  float64 `json:"share"`             // of the whole, 0 to 1
	Count  int64   `json:"count,omitempty"`   // of what: waits, objects, smaller parts of a rest; 0 where that says nothing
	Queued bool    `json:"queued,omitempty"`  // of operations: in the hands of other operations; the rest is the operation's own
	Wall   int64   `json:"wall_ns,omitempty"` // of operations: time in which at least one stood so; 0 when unknown
	IDs    []int64 `json:"ids,omitempty"`     // of goroutines: lowest, median and highest id, which rise with time; empty when unknown
	Before *int64  `json:"before,omitempty"`  // its value in the first exhibit of a series
	Show   Command `json:"-"`                 // with public tools, shows the value
}

// Gain is a bound on what operations would gain if one place took no time: they would take at most AtMost less, and Elapsed less
// of the time would go by. It assumes that the operations stay the same and as many, and that whoever does not wait there any
// more waits at no other place for longer, so that it is a bound and no forecast.
type Gain struct {
	Part    int     `json:"part"`    // index of the part that is largest at the place
	AtMost  float64 `json:"at_most"` // 0 to 1
	Elapsed float64 `json:"elapsed"` // 0 to 1
	Next    int     `json:"next"`    // index of the part that is the largest queue that would remain; -1 when there is none
}

// The kinds of parts that several accounts have.
const (
	PartIdle     = "idle"     // nothing to do, by design
	PartUnused   = "unused"   // of processors: idle, or not given by the machine: which is unknown
	PartHeadroom = "headroom" // of memory: what the collector lets the heap grow by before it is done with the next collection
	PartRecorder = "recorder" // what the recorder of the evidence took itself
	PartRest     = "rest"     // smaller parts together
	PartUnknown  = "unknown"  // only where views list Unknown beside the parts
)

// Sum adds up what is known and unknown. It is the whole.
func (a *Account) Sum() (sum int64) {
	for i := range a.Parts {
		sum += a.Parts[i].Value
	}
	return sum + a.Unknown
}

// Check holds an account that was read to what an account is. The error says what it breaks.
func (a *Account) Check() error {
	if !slices.Contains(AccountNames, a.Name) || len(a.Parts) > MaxAccountParts || a.Whole < 0 || a.Unknown < 0 {
		return errors.New("a name, a number of parts or a sum that there is not")
	}
	left := a.Whole - a.Unknown
	for i := range a.Parts {
		if a.Parts[i].Value < 0 || a.Parts[i].Value > left {
			return errors.New("its parts do not add up to its whole")
		}
		left -= a.Parts[i].Value
	}
	if left != 0 {
		return errors.New("its parts do not add up to its whole")
	}
	for _, g := range a.Gains {
		if g.Part < 0 || g.Part >= len(a.Parts) || g.Next < -1 || g.Next >= len(a.Parts) {
			return errors.New("a gain at a part that there is not")
		}
	}
	return nil
}

// plainAccount and plainAccountPart are the types without their methods.
type (
	plainAccount     Account
	plainAccountPart AccountPart
)

// AccountJSON is an Account as JSON has it.
type AccountJSON struct {
	plainAccount
	Shown
}

// AccountPartJSON is an AccountPart as JSON has it.
type AccountPartJSON struct {
	plainAccountPart
	Shown
}

// MarshalJSON writes the command as the line to paste, as words, and its note.
func (a Account) MarshalJSON() ([]byte, error) {
	return encode(AccountJSON{plainAccount(a), shown(a.Show)})
}

// UnmarshalJSON is the reverse.
func (a *Account) UnmarshalJSON(text []byte) error {
	var w AccountJSON
	if err := decode(text, &w); err != nil {
		return err
	}
	*a = Account(w.plainAccount)
	a.Show = w.command()
	return nil
}

// MarshalJSON writes the command as the line to paste, as words, and its note.
func (p AccountPart) MarshalJSON() ([]byte, error) {
	return encode(AccountPartJSON{plainAccountPart(p), shown(p.Show)})
}

// UnmarshalJSON is the reverse.
func (p *AccountPart) UnmarshalJSON(text []byte) error {
	var w AccountPartJSON
	if err := decode(text, &w); err != nil {
		return err
	}
	*p = AccountPart(w.plainAccountPart)
	p.Show = w.command()
	return nil
}

// AccountChange is an account of two sides, part by part. It judges nothing: how large a part is hangs on the load, and whether a change
// is more than chance the measures of a comparison say.
type AccountChange struct {
	Name   string        `json:"name"`
	Group  *Site         `json:"group,omitempty"` // of operations
	Unit   evidence.Unit `json:"unit"`
	Before AccountSum    `json:"before"`
	After  AccountSum    `json:"after"`
	Parts  []PartChange  `json:"parts"` // the largest first, at most MaxAccountParts
}

// AccountSum is the whole of an account on one side.
type AccountSum struct {
	Exhibit string `json:"exhibit"`
	Whole   int64  `json:"whole"`
	Over    int64  `json:"over_ns,omitempty"` // as in Account
	Summary Text   `json:"summary"`
}

// PartChange is a part of an account on two sides. On a side that has no such part its value is 0.
type PartChange struct {
	Kind   string    `json:"kind"`
	What   Text      `json:"what"`
	Site   Site      `json:"site"`
	By     *Site     `json:"by,omitempty"`
	For    *Site     `json:"for,omitempty"`
	Queued bool      `json:"queued,omitempty"`
	Before PartValue `json:"before"`
	After  PartValue `json:"after"`
}

// PartValue is the value of a part on one side.
type PartValue struct {
	Value int64   `json:"value"` // in the unit of the account
	Share float64 `json:"share"` // of the whole of its side, 0 to 1
}
