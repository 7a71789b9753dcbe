package look

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"inquest/analyze/evidence"
)

// open reads one recorded file.
func open(t *testing.T, path string) *evidence.Exhibit {
	t.Helper()
	b, err := evidence.Open(t.Context(), []string{"../../fixtures/" + path}, evidence.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Free)
	return b.Exhibits[0]
}

// TestProfilesAddUp holds the rows of a profile to its totals: what every stack passes through is the whole, what
// functions have of their own adds up to it, and so do the stacks through a function to what it has.
func TestProfilesAddUp(t *testing.T) {
	for _, file := range []string{"cpu", "heap-1", "mutex", "goroutine"} {
		e := open(t, "locks/orders-lockheld/"+file+".pb.gz")
		p, err := At(e, Question{Size: MaxSize})
		if err != nil || p.Next != 0 {
			t.Fatalf("%s: %v, next %d", file, err, p.Next)
		}
		var own float64
		for i, r := range p.Rows {
			own += r.Own.Number
			if i < 5 {
				stacks, err := At(e, Question{Function: r.What, Size: MaxSize})
				var sum float64
				for _, s := range stacks.Rows {
					sum += s.Value.Number
				}
				if err != nil || sum != r.Value.Number {
					t.Errorf("%s: stacks through %s add up to %v of %v (%v)", file, r.What, sum, r.Value, err)
				}
			}
		}
		if own != p.Whole.Number {
			t.Errorf("%s: what functions have of their own is %v of %v", file, own, p.Whole.Number)
		}
	}
}

func TestGoroutinesAddUp(t *testing.T) {
	e := open(t, "locks/orders-lockheld/dump.txt")
	var count, rows int64
	for q := (Question{Size: 2}); ; {
		p, err := At(e, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Rows {
			count += r.Count
			rows++
		}
		if p.Next == 0 {
			if rows != int64(p.Count) || float64(count) != p.Whole.Number {
				t.Errorf("%d goroutines in %d rows, want %v in %d", count, rows, p.Whole, p.Count)
			}
			return
		}
		q.From = p.Next
	}
}

func TestTimeline(t *testing.T) {
	e := open(t, "locks/orders-lockheld/trace.out")
	p, err := At(e, Question{Function: "main.(*Book).Place"})
	if err != nil || len(p.Rows) == 0 || p.Rows[0].At == nil || !strings.Contains(strings.Join(p.Rows[0].Stack, " "), "sync.(*Mutex).Lock") {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := At(e, Question{Function: "main.nowhere"}); !errors.Is(err, ErrNothing) {
		t.Errorf("of a function that is not there: %v", err)
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	text := "first\n\n" + long + " needle " + long + "\r\nlast needle"
	for _, c := range []struct {
		word  string
		q     Question
		lines string
		next  int
	}{
		{"", Question{}, "1 2 3 4", 0},
		{"needle", Question{}, "3 4", 0},
		{"needle", Question{Size: 1}, "3", 1},
		{"needle", Question{From: 1}, "4", 0},
		{"needle", Question{From: 9}, "", 0},
		{"x needle", Question{}, "3", 0},
		{"first", Question{From: -3}, "1", 0},
	} {
		p, err := Lines(t.Context(), strings.NewReader(text), c.word, c.q)
		var got []string
		for _, r := range p.Rows {
			got = append(got, fmt.Sprint(r.Line))
			if len(r.What) > MaxLine {
				t.Errorf("a row of %d bytes", len(r.What))
			}
		}
		if strings.Join(got, " ") != c.lines || p.Next != c.next || err != nil {
			t.Errorf("%q %+v: lines %v, next %d, %v; want %s, %d", c.word, c.q, got, p.Next, err, c.lines, c.next)
		}
	}
	if _, err := Lines(t.Context(), strings.NewReader(text), "absent", Question{}); !errors.Is(err, ErrNothing) {
		t.Errorf("absent: %v", err)
	}
}
