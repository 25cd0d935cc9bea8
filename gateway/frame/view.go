//go:build !purego

package frame

import "unsafe"

// view shows bytes as a string, without a copy. They must not change while the
// string is used.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
