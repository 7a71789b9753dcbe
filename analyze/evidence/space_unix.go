//go:build linux || darwin || freebsd

package evidence

import "golang.org/x/sys/unix"

// diskSpace returns the free and all bytes of the disk that holds a folder.
func diskSpace(dir string) (free, all int64, ok bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize), true
}
