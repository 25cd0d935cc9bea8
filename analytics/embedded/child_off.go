//go:build nochdb || !(linux || darwin) || !(amd64 || arm64)

package embedded

import (
	"fmt"
	"os"
)

const available = false

func kernelABI() int { return 0 }

// Child is left out of this build.
func Child([]string) int {
	fmt.Fprintln(os.Stderr, "this build has no embedded ClickHouse")
	return 2
}
