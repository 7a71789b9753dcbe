package scheduler

import (
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	. "inquest/internal/detecttest"
	"inquest/internal/evidence/runtimelog"
)

func TestThreadGrowth(t *testing.T) {
	sched := func(threads int64) *evidence.Exhibit {
		return &evidence.Exhibit{Path: "stderr.log", Kind: evidence.SchedTrace, Coverage: evidence.Whole,
			Content: &runtimelog.Sched{Total: runtimelog.SchedWindow{Samples: 10, Threads: threads, MostThreads: threads}}}
	}
	locked := Goroutine(0, "chan receive", "main.drive():3")
	locked.Locked = true
	call := Goroutine(0, "syscall", "syscall.Syscall(1)", "syscall.Flock(1)", "main.save():3")
	ExpectAll(t, ThreadGrowth, []Expect{
		{"twenty-three on two processors", Of(Procs(), sched(23)), claim.Clear, ""},
		{"twenty-four", Of(Procs(), sched(24)), claim.Found, "info"},
		{"forty-seven", Of(Procs(), sched(47)), claim.Found, "info"},
		{"forty-eight", Of(Procs(), sched(48)), claim.Found, "warning"},
		{"processors unknown", Of(sched(500)), claim.Found, "info"},
		{"few were made", Of(Procs(), threads(23)), claim.Clear, ""},
		{"forty-eight were made", Of(Procs(), threads(48)), claim.Found, "warning"},
		{"locked goroutines", Of(Procs(), Join(Many(48, 1, locked))), claim.Found, "warning"},
		{"a few locked goroutines", Of(Procs(), Join(Many(11, 1, locked))), claim.Undecided, ""},
		{"system calls", Of(Procs(), Join(Many(24, 1, call))), claim.Found, "info"},
		{"thousands of parked workers", Of(Procs(), Join(Many(5000, 1, Goroutine(0, "chan receive", "main.worker():3")))), claim.Undecided, ""},
	})
	f := Judge(t, ThreadGrowth, Procs(), sched(60), Join(Many(48, 1, locked))).All.Findings
	if len(f) != 1 || f[0].Confidence != claim.High || f[0].Sites[len(f[0].Sites)-1].Function != "main.drive" {
		t.Errorf("%+v", f)
	}
}
