package exectrace

import (
	"reflect"
	"unsafe"

	"golang.org/x/exp/trace"
)

// handleKnown says whether trace.Stack looks as handle does. When a later
// x/exp/trace changes it, the decoder falls back to a map.
var handleKnown = func() bool {
	t, h := reflect.TypeFor[trace.Stack](), reflect.TypeFor[handle]()
	if t.Kind() != reflect.Struct || t.NumField() != 2 || t.Size() != h.Size() {
		return false
	}
	table, id := t.Field(0), t.Field(1)
	return table.Type.Kind() == reflect.Pointer && table.Offset == unsafe.Offsetof(handle{}.table) &&
		id.Type.Kind() == reflect.Uint64 && id.Offset == unsafe.Offsetof(handle{}.id)
}()
