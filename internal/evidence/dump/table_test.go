package dump

import "testing"

// TestTableNewestFirst reads a page of logs, newest line first, that was pasted as a table of Markdown.
func TestTableNewestFirst(t *testing.T) {
	const text = `2026-06-27 09:13:17 | /src/fetch.go:243 +0x3aa
-- | --
  |   | 2026-06-27 09:13:17 | created by main.(*fetch).handle
  |   | 2026-06-27 09:13:17 | /src/fetch.go:441 +0x7f fp=0xc0010adda0 sp=0xc0010adcd0 pc=0xda095f
  |   | 2026-06-27 09:13:17 | main.(*fetch).send(0xc0003ff890?, {0xc0010ec000, 0x16, 0x20})
  |   | 2026-06-27 09:13:17 | /usr/local/go/src/runtime/panic.go:992 +0x71 fp=0xc0010adcd0 sp=0xc0010adca0 pc=0x442a11
  |   | 2026-06-27 09:13:17 | runtime.throw({0xf0f5d2?, 0x0?})
  |   | 2026-06-27 09:13:17 | goroutine 1315 [running]:
  |   | 2026-06-27 09:13:17 | 
  |   | 2026-06-27 09:13:17 | fatal error: concurrent map iteration and map write
`
	all := read(t, text).Crashes
	if len(all) != 1 || all[0].Class != ConcurrentMap || all[0].Site().Function != "main.(*fetch).send" {
		t.Errorf("%+v", all)
	}
}
