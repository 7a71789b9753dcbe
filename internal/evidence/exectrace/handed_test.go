package exectrace

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// TestHandedKeepsWhatIsAroundTheLongestWait holds the ring to a list of all hand-overs.
func TestHandedKeepsWhatIsAroundTheLongestWait(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var all []Handed
		g := lockGroup{place: &place{}, handed: &handed{}}
		for i := range 1 + rng.IntN(200) {
			to := time.Duration(i+1) * time.Millisecond
			h := Handed{Holder: int64(i), To: to, Since: to - time.Duration(rng.IntN(1000))}
			all = append(all, h)
			g.handed.add(h)
		}
		worst := 0
		for i, h := range all {
			if h.To-h.Since > all[worst].To-all[worst].Since {
				worst = i
			}
		}
		end := min(len(all), worst+1+MaxHanded/2)
		want := all[max(0, end-MaxHanded):end]
		f := &fold{locks: []lockGroup{{}, g}}
		got := f.listMoments()
		if len(got) != 1 || !slices.Equal(got[0].Handed, want) || got[0].Longest != all[worst].To-all[worst].Since {
			t.Fatalf("of %d hand-overs with the longest wait at %d:\ngot  %v\nwant %v", len(all), worst, got, want)
		}
	}
}
