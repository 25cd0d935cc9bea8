//go:build unix

package ws

import "syscall"

// connectionsByFileLimit leaves an eighth of the open files, at least 64 of
// them, to everything that is not a connection.
func connectionsByFileLimit() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 1000
	}
	files := int(min(uint64(limit.Cur), 1<<20)) //nolint:unconvert // signed on FreeBSD
	return max(files-max(files/8, 64), 16)
}
