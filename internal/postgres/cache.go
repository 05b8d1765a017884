package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/moat-db/moat/internal/filelock"
)

// CacheEnv names the environment variable that overrides [CacheDir].
const CacheEnv = "MOAT_CACHE_DIR"

// CacheDir returns the folder for downloaded builds and initdb templates. It need
// not exist.
//
// It is MOAT_CACHE_DIR, else "moat" in the user's cache folder. Root's own cache
// folder cannot be entered by the unprivileged user that runs the server, so root
// uses the machine's.
func CacheDir() (string, error) {
	if dir := os.Getenv(CacheEnv); dir != "" {
		return filepath.Abs(dir)
	}
	if os.Geteuid() == 0 {
		if runtime.GOOS == "darwin" {
			return "/Library/Caches/moat", nil
		}
		return "/var/cache/moat", nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cache folder: %w", err)
	}
	return filepath.Join(dir, "moat"), nil
}

// makeShared makes a folder that the server's user can enter whatever the umask.
func makeShared(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := makeShared(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if os.Geteuid() != 0 {
		return nil
	}
	return os.Chmod(dir, 0o755)
}

// whileLocked runs fn while it holds the lock file, so that of several processes
// that want the same cached thing one makes it and the others wait.
func whileLocked(ctx context.Context, path string, fn func() error) error {
	for {
		lock, err := tryLock(path)
		if err == nil {
			defer lock.Close()
			return fn()
		}
		if !errors.Is(err, filelock.ErrLocked) {
			return err
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("wait for %s: %w", path, err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
