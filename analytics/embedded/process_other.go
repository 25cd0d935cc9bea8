//go:build !unix

package embedded

import (
	"os"
	"syscall"
)

func childAttributes() *syscall.SysProcAttr { return nil }

func lockDir(string) (*os.File, error) { return nil, ErrLeftOut }
