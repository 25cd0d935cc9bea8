package embedded

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
)

// Errors of Install.
var (
	// ErrIntegrity is wrapped when an archive is not the pinned one.
	ErrIntegrity = errors.New("the archive is not the pinned one")
	// ErrDownload is wrapped when the archive cannot be fetched.
	ErrDownload = errors.New("fetching the ClickHouse library")
)

// maxLibrary bounds the unpacked library.
const maxLibrary = 1 << 30

// Progress of an installation.
type Progress struct {
	Step  string // "", "download", "unpack", "done"
	Done  int64  // bytes
	Total int64  // bytes
}

// InstallConfig says what to install where.
type InstallConfig struct {
	Dir      string         // directory of the library; "": LibraryDir
	File     string         // archive to install from; "": the npm registry of this machine
	Progress func(Progress) // called now and then; may be nil
	Logger   *slog.Logger   // nil: discard

	pin *pin // tests: another package
}

// Install puts the pinned library into a directory, whole or not at all, and
// returns its path. What is there already is left alone. A download that was
// cut off goes on where it stopped. Errors wrap ErrIntegrity, ErrDownload or
// ErrPlatform.
func Install(ctx context.Context, cfg InstallConfig) (string, error) {
	if cfg.Dir == "" {
		cfg.Dir = LibraryDir()
	}
	if cfg.Dir == "" {
		return "", errors.New("no directory to install into: the user has no cache directory")
	}
	if cfg.Progress == nil {
		cfg.Progress = func(Progress) {}
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	name := filepath.Join(cfg.Dir, libraryName)
	if isFile(name) {
		return name, nil
	}
	p, err := pinned(runtime.GOOS, runtime.GOARCH)
	if cfg.pin != nil {
		p, err = *cfg.pin, nil
	}
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return "", fmt.Errorf("creating the library directory: %w", err)
	}
	lock, err := lockDir(cfg.Dir)
	if errors.Is(err, ErrInUse) {
		return "", fmt.Errorf("%w: %w: another process is installing into %s", ErrDownload, err, cfg.Dir)
	}
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if isFile(name) {
		return name, nil
	}
	archive := cfg.File
	if archive == "" {
		archive = filepath.Join(cfg.Dir, "download.tgz")
		if err := download(ctx, cfg, p, archive); err != nil {
			return "", err
		}
		defer os.Remove(archive)
	}
	if err := verify(archive, p); err != nil {
		return "", err
	}
	if err := unpack(ctx, cfg, archive, name); err != nil {
		return "", err
	}
	cfg.Progress(Progress{"done", p.packed, p.packed})
	return name, nil
}

// verify compares an archive with its pin.
func verify(archive string, p pin) error {
	f, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("opening the archive: %w", err)
	}
	defer f.Close()
	sum := sha512.New()
	if _, err := io.Copy(sum, f); err != nil {
		return fmt.Errorf("reading the archive: %w", err)
	}
	if got := "sha512-" + base64.StdEncoding.EncodeToString(sum.Sum(nil)); got != p.integrity {
		return fmt.Errorf("%w: %s has %s, and %s@%s has %s", ErrIntegrity, archive, got, p.name, Version, p.integrity)
	}
	return nil
}

// unpack writes the library of a verified archive beside its place, syncs it and
// moves it there.
func unpack(ctx context.Context, cfg InstallConfig, archive, name string) error {
	f, err := os.Open(archive)
	if err != nil {
		return fmt.Errorf("opening the archive: %w", err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	entries := tar.NewReader(zip)
	for {
		entry, err := entries.Next()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("%w: it holds no %s", ErrIntegrity, libraryName)
		}
		if err != nil {
			return fmt.Errorf("unpacking: %w", err)
		}
		if entry.Typeflag == tar.TypeReg && entry.Name == "package/"+libraryName && entry.Size <= maxLibrary {
			return place(ctx, cfg, entries, entry.Size, name)
		}
	}
}

// place copies the library to its place by way of a temporary file.
func place(ctx context.Context, cfg InstallConfig, r io.Reader, size int64, name string) error {
	out, err := os.CreateTemp(cfg.Dir, ".unpack-*")
	if err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	defer os.Remove(out.Name())
	defer out.Close()
	counted := &counter{ctx: ctx, r: r, report: func(n int64) { cfg.Progress(Progress{"unpack", n, size}) }}
	if _, err := io.Copy(out, counted); err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	if err := errors.Join(out.Chmod(0o755), out.Sync(), out.Close()); err != nil {
		return fmt.Errorf("unpacking: %w", err)
	}
	if err := os.Rename(out.Name(), name); err != nil {
		return fmt.Errorf("placing the library: %w", err)
	}
	return nil
}

// reportEvery is how many bytes lie between two reports of progress.
const reportEvery = 1 << 20

// counter reports how much was read and stops when ctx ends.
type counter struct {
	ctx    context.Context
	r      io.Reader
	n      int64
	told   int64
	report func(int64)
}

// Read implements io.Reader.
func (c *counter) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	if c.n-c.told >= reportEvery || err != nil {
		c.told = c.n
		c.report(c.n)
	}
	return n, err
}
