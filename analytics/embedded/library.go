package embedded

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// The pinned library.
const (
	// Version is the version of the pinned npm packages.
	Version     = "26.7.3-stable.1"
	libraryName = "libchdb.so"
)

// Errors of finding and installing the library.
var (
	// ErrNoLibrary is wrapped when the library is in none of the places.
	ErrNoLibrary = errors.New("the ClickHouse library is not installed")
	// ErrPlatform is wrapped when no library is pinned for this platform.
	ErrPlatform = errors.New("no ClickHouse library is pinned for this platform")
)

// pin is a package of the npm registry that holds the library.
type pin struct {
	name      string
	integrity string // SHA-512 of the archive, as npm writes it
	packed    int64  // bytes of the archive
}

// pinned returns the package of a platform. Only archives whose digest was
// verified are listed; elsewhere the library has to be named.
func pinned(goos, goarch string) (pin, error) {
	if goos == "linux" && goarch == "amd64" {
		return pin{
			name:      "@chdb/lib-linux-x64-gnu",
			integrity: "sha512-XP97mMqnc5tZpKQywR8N7cLTsHNiTmHr30pC5mzo3jWmukjKn2IBa60c2B/gWUNcuFjOMjWoorQICCqBVj5wpw==",
			packed:    177817999,
		}, nil
	}
	return pin{}, fmt.Errorf("%w: %s/%s; install libchdb %s and set analytics.library", ErrPlatform, goos, goarch, Version)
}

// LibraryDir is the directory below the user's cache that all data directories
// of a user share, "" when the user has none.
func LibraryDir() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "partyline", "chdb-"+Version)
}

// libraryDirs are the places of an installed library, in the order of search.
func (c *Config) libraryDirs() []string {
	dirs := []string{filepath.Join(c.Dir, "chdb-"+Version)}
	if shared := LibraryDir(); shared != "" {
		dirs = append(dirs, shared)
	}
	return dirs
}

// find returns the library: the configured one, else an installed one, else the
// one that the system's loader knows. It wraps ErrNoLibrary.
func (c *Config) find() (string, error) {
	if c.Library != "" {
		info, err := os.Stat(c.Library)
		if err != nil {
			return "", fmt.Errorf("%w: analytics.library: %w", ErrNoLibrary, err)
		}
		if !info.Mode().IsRegular() {
			return "", fmt.Errorf("%w: analytics.library: %s is not a file", ErrNoLibrary, c.Library)
		}
		return filepath.Abs(c.Library)
	}
	for _, dir := range c.libraryDirs() {
		if name := filepath.Join(dir, libraryName); isFile(name) {
			return filepath.Abs(name)
		}
	}
	for _, dir := range systemDirs {
		if name := filepath.Join(dir, libraryName); isFile(name) {
			return name, nil
		}
	}
	return "", fmt.Errorf("%w: run \"partyline analytics install\", or set analytics.library (%s/%s)",
		ErrNoLibrary, runtime.GOOS, runtime.GOARCH)
}

// systemDirs is where the system's loader finds libraries.
var systemDirs = []string{ //nolint:gochecknoglobals // constant table
	"/usr/local/lib", "/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/opt/homebrew/lib",
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}
