package bound

import (
	"bufio"
	"bytes"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Machine returns the memory that this process can have, in bytes: that of the
// machine, or of the control group it runs in where that is less. It is 0 when
// nothing tells. root is the root of the file system; only Linux has the files.
func Machine(root fs.FS) int64 {
	least := total(root)
	for _, limit := range groups(root) {
		if least == 0 || limit < least {
			least = limit
		}
	}
	return least
}

// total reads the size of the machine's memory.
func total(root fs.FS) int64 {
	data, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "MemTotal:" && fields[2] == "kB" {
			kb, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil || kb <= 0 {
				return 0
			}
			return Mul(kb, 1024)
		}
	}
	return 0
}

// groups reads the limits of the control group and of those it is in, of both
// versions: a process can be in a hierarchy of each.
func groups(root fs.FS) (limits []int64) {
	own, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return nil
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(own)) {
		// "ID:CONTROLLERS:PATH", the controllers empty in version 2.
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		kind, file := "cgroup2", "memory.max"
		if parts[1] != "" {
			if !has(parts[1], "memory") {
				continue
			}
			kind, file = "cgroup", "memory.limit_in_bytes"
		}
		at, below, ok := mounted(mounts, kind)
		if !ok {
			continue
		}
		// In a container the path can be that of the host, of which the mount shows a part.
		group := parts[2]
		if rest, ok := strings.CutPrefix(group, strings.TrimSuffix(below, "/")); ok {
			group = rest
		}
		for dir := path.Join(at, group); ; dir = path.Dir(dir) {
			if n, ok := limit(root, path.Join(dir, file)); ok {
				limits = append(limits, n)
			}
			if dir == path.Clean(at) || dir == "/" || dir == "." {
				break
			}
		}
	}
	return limits
}

// mounted finds where a hierarchy is mounted, and which part of it (proc(5), mountinfo).
func mounted(info []byte, kind string) (at, below string, ok bool) {
	s := bufio.NewScanner(bytes.NewReader(info))
	for s.Scan() {
		first, second, found := strings.Cut(s.Text(), " - ")
		a, b := strings.Fields(first), strings.Fields(second)
		if !found || len(a) < 5 || len(b) < 3 || b[0] != kind {
			continue
		}
		if kind == "cgroup" && !has(b[2], "memory") {
			continue
		}
		return a[4], a[3], true
	}
	return "", "", false
}

func has(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// limit reads one limit. Without one, version 2 says max and version 1 a number
// that no machine reaches.
func limit(root fs.FS, name string) (int64, bool) {
	data, err := fs.ReadFile(root, strings.TrimPrefix(name, "/"))
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	return n, err == nil && n > 0 && n < 1<<60
}
