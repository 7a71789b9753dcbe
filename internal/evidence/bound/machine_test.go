package bound

import (
	"testing"
	"testing/fstest"
)

// The least of the machine and of every control group above the process counts.
func TestMachine(t *testing.T) {
	const (
		meminfo = "MemTotal:       16384000 kB\nMemFree:         1000 kB\n"
		v2      = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
		v1      = "25 23 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n" +
			"33 25 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" +
			"36 25 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
		hybrid  = v1 + "31 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
		machine = 16384000 * 1024
	)
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing tells":      {nil, 0},
		"no group":           {map[string]string{"proc/meminfo": meminfo}, machine},
		"damaged":            {map[string]string{"proc/meminfo": "MemTotal: x kB\n"}, 0},
		"2, no limit":        {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/a/b/memory.max": "max\n"}, machine},
		"2, own limit":       {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/a/b/memory.max": "1000000000\n"}, 1e9},
		"2, limit above":     {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a/b\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "2000000000\n"}, 2e9},
		"2, in a container":  {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/memory.max": "536870912\n"}, 512 << 20},
		"2, a host's path":   {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/docker/x\n", "proc/self/mountinfo": "30 23 0:26 /docker/x /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "sys/fs/cgroup/memory.max": "3000\n"}, 3000},
		"2, more than there": {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/a/memory.max": "99000000000\n"}, machine},
		"1, own limit":       {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "4:cpu,cpuacct:/x\n9:memory:/x/y\n", "proc/self/mountinfo": v1, "sys/fs/cgroup/memory/x/y/memory.limit_in_bytes": "700000000\n", "sys/fs/cgroup/cpu,cpuacct/x/memory.limit_in_bytes": "1\n"}, 7e8},
		"1, no limit":        {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "9:memory:/x\n", "proc/self/mountinfo": v1, "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "9223372036854771712\n"}, machine},
		"both":               {map[string]string{"proc/meminfo": meminfo, "proc/self/cgroup": "9:memory:/x\n0::/y\n", "proc/self/mountinfo": hybrid, "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "800000000\n", "sys/fs/cgroup/unified/y/memory.max": "600000000\n"}, 6e8},
	} {
		root := fstest.MapFS{}
		for file, text := range c.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := Machine(root); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
