package evidence

import "golang.org/x/sys/windows"

// diskSpace returns the free and all bytes of the disk that holds a folder.
func diskSpace(dir string) (free, all int64, ok bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, false
	}
	var mine, total uint64
	if err := windows.GetDiskFreeSpaceEx(name, &mine, &total, nil); err != nil {
		return 0, 0, false
	}
	return int64(mine), int64(total), true
}
