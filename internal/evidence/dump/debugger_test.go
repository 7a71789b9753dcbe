package dump

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestDebuggers reads what debuggers and formatters printed of one program: twelve goroutines that send on a channel and
// eight that wait for a lock, main asleep. The lists and groups are whole, of the stacks some were kept.
func TestDebuggers(t *testing.T) {
	for name, want := range map[string]string{
		"delve-list.txt":   "30 goroutines: 12 chan send main.main, 8 sync.Mutex.Lock main.(*store).get",
		"delve-stacks.txt": "7 goroutines: 1 sleep main.main, 2 sync.Mutex.Lock main.(*store).get, 3 chan send main.produce",
		"delve-groups.txt": "30 goroutines: 12 chan send main.main, 8 sync.Mutex.Lock main.(*store).get",
		"delve-bt.txt":     "1 goroutines: 1 sleep main.main",
		"gdb-bt.txt":       "2 goroutines: 1 sleep main.main",
		"editor.txt":       "2 goroutines: 1 chan send main.produce, 1 sync.RWMutex.RLock main.(*store).get",
		"panicparse.txt":   "24 goroutines: 1 sleep main.main, 12 chan send main.produce, 8 sync.Mutex.Lock main.(*store).get",
	} {
		text, err := os.ReadFile("testdata/debuggers/" + name)
		if err != nil {
			t.Fatal(err)
		}
		dumps, err := Find(strings.NewReader(string(text)))
		if err != nil || len(dumps) != 1 {
			t.Errorf("%s: %d dumps, %v", name, len(dumps), err)
			continue
		}
		states := map[string]int{}
		for i := range dumps[0].Goroutines {
			g := &dumps[0].Goroutines[i]
			if site := g.Stack().Site().Function; strings.HasPrefix(site, "main.") {
				states["%d "+g.State+" "+site]++
			}
		}
		var parts []string
		for s, n := range states {
			parts = append(parts, fmt.Sprintf(s, n))
		}
		slices.Sort(parts)
		if got := fmt.Sprintf("%d goroutines: %s", len(dumps[0].Goroutines), strings.Join(parts, ", ")); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if dumps[0].Partial {
			t.Errorf("%s: %q", name, dumps[0].Problems)
		}
	}
	var r Reader
	list, _ := os.ReadFile("testdata/debuggers/gdb-list.txt")
	for i, line := range strings.Split(string(list), "\n") {
		r.Line(i+1, []byte(line), 0)
	}
	if found := r.Close(); len(found.Dumps) != 0 || len(found.Problems) != 1 || !strings.HasPrefix(found.Problems[0].String(), "29 lines of gdb's info goroutines") {
		t.Errorf("a list of gdb: %d dumps, %q", len(found.Dumps), found.Problems)
	}
}

// What looks like the head of a group and has no frames below it is text.
func TestDebuggersOverlookText(t *testing.T) {
	for _, text := range []string{"12: chan receive [5 minutes]\nthat is what we saw\n", "3: done\n", "Goroutine 7\nis the one that hangs (main.go:12)\n", "#0 is the first (of many)\n", "0 hits in cache\n", "* item one\n"} {
		if dumps, err := Find(strings.NewReader(text)); err != nil || len(dumps) != 0 {
			t.Errorf("%q: %d dumps, %v", text, len(dumps), err)
		}
	}
}
