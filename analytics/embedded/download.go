package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// stallLimit is how long a download may stand still.
const stallLimit = 30 * time.Second

// download fetches the archive over HTTP from the registry that this machine's
// npm is set up with, going on where an earlier try stopped. When HTTP alone
// does not get there (a registry that wants credentials, an own certificate),
// npm itself fetches it.
func download(ctx context.Context, cfg InstallConfig, p pin, archive string) error {
	address, err := tarball(ctx, p)
	if err != nil {
		return err
	}
	err = fetch(ctx, cfg, p, address, archive)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if packed := npmPack(ctx, cfg.Dir, p, archive); packed != nil {
		return errors.Join(err, packed)
	}
	return nil
}

// registryVariable is npm's own variable for the address of its registry.
const registryVariable = "NPM_CONFIG_REGISTRY"

// tarball asks npm for the address of the archive; without npm it is made from
// the address of the registry in the environment.
func tarball(ctx context.Context, p pin) (string, error) {
	npm, err := exec.LookPath("npm")
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		out, err := exec.CommandContext(ctx, npm, "view", p.name+"@"+Version, "dist.tarball").Output()
		address := strings.TrimSpace(string(out))
		if err == nil && strings.HasPrefix(address, "http") {
			return address, nil
		}
	}
	for _, name := range []string{registryVariable, strings.ToLower(registryVariable)} {
		if registry := os.Getenv(name); registry != "" {
			base, err := url.Parse(registry)
			if err != nil || base.Host == "" {
				return "", fmt.Errorf("%w: %s is not an address", ErrDownload, name)
			}
			return base.JoinPath(p.name, "-", path.Base(p.name)+"-"+Version+".tgz").String(), nil
		}
	}
	return "", fmt.Errorf("%w: no npm here that knows a registry, and no %s; on another machine run \"npm pack %s@%s\" and then here \"partyline analytics install --file\" with its file",
		ErrDownload, registryVariable, p.name, Version)
}

// fetch downloads address into archive, from where the file ends.
func fetch(ctx context.Context, cfg InstallConfig, p pin, address, archive string) error {
	out, err := os.OpenFile(archive, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDownload, err)
	}
	defer out.Close()
	info, err := out.Stat()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDownload, err)
	}
	have := info.Size()
	if have > p.packed {
		have = 0
	}
	if have == p.packed && verify(archive, p) == nil {
		return nil
	}
	if have == p.packed {
		have = 0
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	resp, err := request(ctx, address, have)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK { // from the start, whatever was asked
		have = 0
	}
	if err := out.Truncate(have); err != nil {
		return fmt.Errorf("%w: %w", ErrDownload, err)
	}
	stalled := time.AfterFunc(stallLimit, cancel)
	defer stalled.Stop()
	body := &counter{ctx: ctx, r: io.LimitReader(resp.Body, p.packed-have+1), report: func(n int64) {
		stalled.Reset(stallLimit)
		cfg.Progress(Progress{"download", have + n, p.packed})
	}}
	if _, err := io.Copy(out, body); err != nil {
		return fmt.Errorf("%w: after %d of %d bytes: %w", ErrDownload, have+body.n, p.packed, err)
	}
	if err := out.Sync(); err != nil {
		return fmt.Errorf("%w: %w", ErrDownload, err)
	}
	if err := verify(archive, p); err != nil {
		os.Remove(archive)
		return err
	}
	return nil
}

func request(ctx context.Context, address string, from int64) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDownload, err)
	}
	if from > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = stallLimit
	transport.DisableCompression = true
	transport.DisableKeepAlives = true
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDownload, err)
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent {
		resp.Body.Close()
		return nil, fmt.Errorf("%w: the registry answered %s", ErrDownload, resp.Status)
	}
	return resp, nil
}

// npmPack lets npm fetch the archive, with whatever its configuration has.
func npmPack(ctx context.Context, dir string, p pin, archive string) error {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDownload, err)
	}
	tmp, err := os.MkdirTemp(dir, ".npm-*")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDownload, err)
	}
	defer os.RemoveAll(tmp)
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", "--pack-destination", tmp, p.name+"@"+Version)
	cmd.Dir = tmp
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: npm pack: %w: %s", ErrDownload, err, cut(strings.TrimSpace(string(out)), 300))
	}
	names, err := filepath.Glob(filepath.Join(tmp, "*.tgz"))
	if err != nil || len(names) != 1 {
		return fmt.Errorf("%w: npm pack left %d archives", ErrDownload, len(names))
	}
	if err := os.Rename(names[0], archive); err != nil {
		return fmt.Errorf("%w: %w", ErrDownload, err)
	}
	return nil
}
