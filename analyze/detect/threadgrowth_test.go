package detect

import (
	"testing"

	"inquest/analyze/claim"
	"inquest/analyze/evidence"
	"inquest/analyze/evidence/runtimelog"
)

func TestThreadGrowth(t *testing.T) {
	sched := func(threads int64) *evidence.Exhibit {
		return &evidence.Exhibit{Path: "stderr.log", Kind: evidence.SchedTrace, Coverage: evidence.Whole,
			Sched: &runtimelog.Sched{Total: runtimelog.SchedWindow{Samples: 10, Threads: threads, MostThreads: threads}}}
	}
	locked := gone(0, "chan receive", "main.drive():3")
	locked.Locked = true
	call := gone(0, "syscall", "syscall.Syscall(1)", "syscall.Flock(1)", "main.save():3")
	expectAll(t, ThreadGrowth, []expect{
		{"twenty-three on two processors", of(procs(), sched(23)), claim.Clear, ""},
		{"twenty-four", of(procs(), sched(24)), claim.Found, "info"},
		{"forty-seven", of(procs(), sched(47)), claim.Found, "info"},
		{"forty-eight", of(procs(), sched(48)), claim.Found, "warning"},
		{"processors unknown", of(sched(500)), claim.Found, "info"},
		{"few were made", of(procs(), threads(23)), claim.Clear, ""},
		{"forty-eight were made", of(procs(), threads(48)), claim.Found, "warning"},
		{"locked goroutines", of(procs(), join(many(48, 1, locked))), claim.Found, "warning"},
		{"a few locked goroutines", of(procs(), join(many(11, 1, locked))), claim.Undecided, ""},
		{"system calls", of(procs(), join(many(24, 1, call))), claim.Found, "info"},
		{"thousands of parked workers", of(procs(), join(many(5000, 1, gone(0, "chan receive", "main.worker():3")))), claim.Undecided, ""},
	})
	f := judge(t, ThreadGrowth, procs(), sched(60), join(many(48, 1, locked))).all.Findings
	if len(f) != 1 || f[0].Confidence != claim.High || f[0].Sites[len(f[0].Sites)-1].Function != "main.drive" {
		t.Errorf("%+v", f)
	}
}
