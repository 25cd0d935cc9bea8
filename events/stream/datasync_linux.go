package stream

import (
	"os"

	"golang.org/x/sys/unix"
)

// dataSync makes a file's data durable, and of its metadata what is needed to
// read it (fdatasync(2)).
func dataSync(f *os.File) error {
	for {
		if err := unix.Fdatasync(int(f.Fd())); err != unix.EINTR {
			return err
		}
	}
}
