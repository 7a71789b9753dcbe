package cmd

import (
	"os"
	"strconv"
	"strings"

	"github.com/google/pprof/profile"
	"github.com/rogpeppe/go-internal/testscript"
)

// scriptCPUProfile writes a CPU profile of 10 s: cpuprofile FILE [CALLER>FUNCTION=SAMPLES]...
func scriptCPUProfile(ts *testscript.TestScript, _ bool, args []string) {
	p := &profile.Profile{
		SampleType:    []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType:    &profile.ValueType{Type: "cpu", Unit: "nanoseconds"},
		Period:        10e6,
		DurationNanos: 10e9,
	}
	locations := map[string]*profile.Location{}
	locate := func(name string) *profile.Location {
		if l := locations[name]; l != nil {
			return l
		}
		id := uint64(len(locations) + 1)
		fn := &profile.Function{ID: id, Name: name, SystemName: name, Filename: "main.go"}
		l := &profile.Location{ID: id, Address: id, Line: []profile.Line{{Function: fn, Line: int64(10 * id)}}}
		p.Function, p.Location = append(p.Function, fn), append(p.Location, l)
		locations[name] = l
		return l
	}
	for _, arg := range args[1:] {
		i := strings.LastIndexByte(arg, '=')
		n, err := strconv.ParseInt(arg[i+1:], 10, 64)
		ts.Check(err)
		s := &profile.Sample{Value: []int64{n, n * 10e6}}
		for _, name := range strings.Split(arg[:i], ">") {
			s.Location = append([]*profile.Location{locate(name)}, s.Location...)
		}
		p.Sample = append(p.Sample, s)
	}
	f, err := os.Create(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(p.Write(f))
	ts.Check(f.Close())
}
