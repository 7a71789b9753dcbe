package cmd

import (
	"fmt"
	"math"
	"os"
	"runtime/debug"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"inquest/internal/evidence/bound"
)

// memoryFlag is --memory: what reading and analysing may take.
type memoryFlag struct{ size string }

func (m *memoryFlag) register(c *cobra.Command) {
	c.Flags().StringVar(&m.size, "memory", "", "take about this `SIZE` of memory at most, and name the evidence that does not fit (default 1GiB, never more than half of what the machine or its control group has)")
}

// check returns the size that the flag asks for.
func (m *memoryFlag) check() (int64, error) {
	if m.size == "" {
		return bound.Default, nil
	}
	n, err := humanize.ParseBytes(m.size)
	if err != nil || n < bound.Least || n > 1<<50 {
		return 0, failed("", "--memory %s: want a size of at least %s, such as 4GiB", m.size, humanize.IBytes(bound.Least))
	}
	return int64(n), nil
}

// budget returns the budget that the flag asks for, as far as the machine has it.
func (m *memoryFlag) budget(c *cobra.Command) (*bound.Memory, error) {
	size, err := m.check()
	if err != nil {
		return nil, err
	}
	if most := bound.Machine(os.DirFS("/")) / 2; most > 0 && most < size {
		if m.size != "" {
			complain(c.ErrOrStderr(), fmt.Sprintf("--memory %s: half of what this machine or its control group has is less: %s", m.size, humanize.IBytes(uint64(most))))
		}
		size = max(most, bound.Least)
	}
	// The collector runs more often when the heap comes near it. What is alive is
	// bounded by the budget alone.
	if debug.SetMemoryLimit(-1) == math.MaxInt64 {
		debug.SetMemoryLimit(size)
	}
	return bound.NewMemory(size), nil
}
