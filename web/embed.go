//go:build !noui

package web

import (
	"embed"
	"io/fs"
)

// dist holds a tracked placeholder, so that it compiles before a build of the
// page. Placeholders begin with a dot: all: takes them too.
//
//go:embed all:dist
var dist embed.FS

// Files returns the built page with index.html at its root, and false if the
// program was compiled without one. The files never change; any number of
// goroutines may read them.
func Files() (fs.FS, bool) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, false
	}
	_, err = fs.Stat(files, "index.html")
	return files, err == nil
}
