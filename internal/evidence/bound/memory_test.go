package bound

import (
	"errors"
	"strings"
	"testing"
)

func TestAccountsShareOneBudget(t *testing.T) {
	m := NewMemory(64 << 20) // 32 MiB for evidence
	a, b := m.Account(), m.Account()
	if err := a.Grow(20 << 20); err != nil {
		t.Fatal(err)
	}
	err := b.Grow(13 << 20)
	var over *Exceeded
	if !errors.As(err, &over) || over.Need != 13<<20 || over.Held != 20<<20 || over.Limit != 32<<20 {
		t.Fatalf("13 MiB beside 20 of 32: %v", err)
	}
	for _, part := range []string{"at least 13 MiB", "12 MiB of the 32 MiB", "--memory 128MiB"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v: lacks %q", err, part)
		}
	}
	if n := over.Of(1, 4).Need; n != 52<<20 {
		t.Errorf("a quarter read: %d needed", n)
	}
	if !m.Short() || m.Short() {
		t.Error("Short does not say once that something was refused")
	}
	if err := b.Grow(12 << 20); err != nil {
		t.Errorf("12 MiB beside 20 of 32: %v", err)
	}
	a.Shrink(5 << 20)
	if err := b.Grow(5 << 20); err != nil {
		t.Errorf("5 MiB given back: %v", err)
	}
	a.Close()
	b.Close()
	if m.used != 0 || a.Used() != 0 {
		t.Errorf("%d bytes left after all accounts are closed", m.used)
	}
	if err := (*Account)(nil).Grow(1 << 60); err != nil {
		t.Errorf("no account: %v", err)
	}
	if err := a.Grow(1 << 62); err == nil {
		t.Error("more than any machine has was granted")
	}
}

// What two files got at the same time may be more than one after the other would.
func TestFits(t *testing.T) {
	m := NewMemory(64 << 20)
	fill := func(most, keep int64) *Account {
		a := m.Account()
		if err := a.Grow(most); err != nil {
			t.Fatal(err)
		}
		a.Shrink(most - keep)
		return a
	}
	a := fill(30<<20, 1<<20)
	b := fill(10<<20, 10<<20)
	if !m.Fits([]*Account{a, b}) {
		t.Error("30 MiB of which 1 stays, then 10, do not fit into 32")
	}
	if m.Fits([]*Account{b, a}) {
		t.Error("30 MiB beside 10 fit into 32")
	}
}

func TestAppendPaysForBothCopies(t *testing.T) {
	m := NewMemory(64 << 20)
	a := m.Account()
	var s []int64
	var err error
	n := 0
	for ; err == nil; n++ {
		s, err = Append(a, s, int64(n))
	}
	if held := int64(cap(s)) * 8; a.Used() != held || held > 32<<20 || held < 8<<20 {
		t.Errorf("%d bytes held, %d paid for, of 32 MiB", held, a.Used())
	}
}

func TestEnough(t *testing.T) {
	for evidence, want := range map[int64]string{0: "32MiB", 1: "32MiB", 100 << 20: "256MiB", 512 << 20: "2GiB", 1 << 62: "4294967296GiB"} {
		if got := Enough(evidence); got != want {
			t.Errorf("%d bytes: %s, want %s", evidence, got, want)
		}
	}
}
