//go:build noui

package web

import "io/fs"

// Files returns false: the program was compiled without the page.
func Files() (fs.FS, bool) { return nil, false }
