package postgres

import (
	"context"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// maxTarball bounds what is read of a tarball; the builds are about 25 MB.
const maxTarball = 128 << 20

// Download returns the pinned build of a major version, from the cache or else
// through the user's npm client. Zero means the newest.
//
// The tarball is accepted only with the SHA-512 that is written down here. Several
// processes may call Download at once: one fetches, the others wait for it.
func Download(ctx context.Context, major int) (Installation, error) {
	p, err := findPin(platform(runtime.GOOS, runtime.GOARCH), major)
	if err != nil {
		return Installation{}, err
	}
	cache, err := CacheDir()
	if err != nil {
		return Installation{}, err
	}
	inst, err := p.install(ctx, filepath.Join(cache, "postgres"), npmPack)
	if err != nil {
		return Installation{}, fmt.Errorf("download PostgreSQL %d: %w", majorOf(p.version), err)
	}
	return inst, nil
}

// fetcher puts a package's tarball into a folder and returns its path.
type fetcher func(ctx context.Context, name, folder string) (string, error)

// install makes sure that the build is unpacked under dir.
func (p pin) install(ctx context.Context, dir string, fetch fetcher) (Installation, error) {
	home := filepath.Join(dir, p.version+"-"+p.platform)
	if inst, err := inspect(ctx, filepath.Join(home, "bin")); err == nil {
		return inst, nil
	}
	if err := makeShared(dir); err != nil {
		return Installation{}, err
	}
	err := whileLocked(ctx, home+".lock", func() error {
		if _, err := os.Stat(home); err == nil {
			return nil // fetched while we waited for the lock
		}
		return p.fetchInto(ctx, home, fetch)
	})
	if err != nil {
		return Installation{}, err
	}
	return inspect(ctx, filepath.Join(home, "bin"))
}

// fetchInto fetches, checks and unpacks next to home, and renames at the end, so that
// home is whole or absent.
func (p pin) fetchInto(ctx context.Context, home string, fetch fetcher) (err error) {
	work, err := os.MkdirTemp(filepath.Dir(home), ".fetch-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	tarball, err := fetch(ctx, p.name(), work)
	if err != nil {
		return err
	}
	content, err := readVerified(tarball, p.sha512)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name(), err)
	}
	fresh := filepath.Join(work, "native")
	if err := unpack(content, fresh); err != nil {
		return fmt.Errorf("%s: %w", p.name(), err)
	}
	return os.Rename(fresh, home)
}

// npmPack lets the user's own npm client fetch, with its mirror, proxy and
// credentials. It runs in folder, away from any project's settings, and pack runs no
// script of the package.
func npmPack(ctx context.Context, name, folder string) (string, error) {
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", errors.New("npm is needed to fetch it and is not installed (it comes with Node.js)")
	}
	cmd := exec.CommandContext(ctx, npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", folder, name)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm pack %s: %w: %s", name, err, lastLines(string(out), 3))
	}
	tarballs, _ := filepath.Glob(filepath.Join(folder, "*.tgz"))
	if len(tarballs) != 1 {
		return "", fmt.Errorf("npm pack %s left %d tarballs", name, len(tarballs))
	}
	return tarballs[0], nil
}

// readVerified reads a file once and checks exactly the bytes that it returns.
func readVerified(path, sha512Base64 string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxTarball+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxTarball {
		return nil, fmt.Errorf("tarball is larger than %d bytes", maxTarball)
	}
	sum := sha512.Sum512(content)
	if got := base64.StdEncoding.EncodeToString(sum[:]); got != sha512Base64 {
		return nil, fmt.Errorf("tarball has SHA-512 %s, expected %s", got, sha512Base64)
	}
	return content, nil
}
