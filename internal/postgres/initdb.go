package postgres

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// prepareData fills the data folder when it has none yet, from a template in the
// cache when one can be had: copying takes less than half the time of initdb.
func prepareData(ctx context.Context, inst Installation, f *folder, acct *account) error {
	if dataMajor(f.data) != 0 {
		return nil
	}
	// A kept folder gets its data by a rename: an interrupted start leaves
	// data.new behind, never half a cluster under the real name.
	fresh := f.data + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("prepare data: %w", err)
	}
	template, err := initTemplate(ctx, inst, acct)
	if err != nil {
		err = initdb(ctx, inst, fresh, acct, f.kept)
	} else {
		err = copyData(template, fresh, acct, f.kept)
	}
	if err != nil {
		return fmt.Errorf("prepare data: %w", err)
	}
	return os.Rename(fresh, f.data)
}

// initTemplate returns a folder that initdb has made with the same binaries.
// An error only means that the caller has to run initdb itself.
func initTemplate(ctx context.Context, inst Installation, acct *account) (string, error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	template := filepath.Join(cache, "initdb", inst.identity())
	if dataMajor(template) == inst.Major {
		return template, nil
	}
	if err := makeShared(filepath.Dir(template)); err != nil {
		return "", err
	}
	if err := acct.canEnter(filepath.Dir(template)); err != nil {
		return "", err
	}
	err = whileLocked(ctx, template+".lock", func() error { return makeTemplate(ctx, inst, template, acct) })
	return template, err
}

func makeTemplate(ctx context.Context, inst Installation, template string, acct *account) error {
	if dataMajor(template) == inst.Major {
		return nil // made while we waited for the lock
	}
	fresh := template + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	// Synced: a template that lost its contents with the power would break
	// every later start.
	if err := initdb(ctx, inst, fresh, acct, true); err != nil {
		return err
	}
	return os.Rename(fresh, template)
}

// identity names the binaries in a file name. Two builds of one version may differ
// in their data format, so the path and the file's age count too.
func (i Installation) identity() string {
	key := i.Bin
	if info, err := os.Stat(filepath.Join(i.Bin, "postgres")); err == nil {
		key = fmt.Sprintf("%s %d %d", key, info.Size(), info.ModTime().UnixNano())
	}
	return fmt.Sprintf("%s-%x", i.Version, sha256.Sum256([]byte(key)))[:len(i.Version)+13]
}

func initdb(ctx context.Context, inst Installation, data string, acct *account, sync bool) error {
	if err := os.Mkdir(data, 0o700); err != nil {
		return err
	}
	if err := acct.give(data); err != nil {
		return err
	}
	args := []string{"-D", data, "-U", Superuser, "-A", "scram-sha-256", "--auth-local=trust",
		"-E", "UTF8", "--locale=C", "--no-instructions"}
	if !sync {
		args = append(args, "--no-sync")
	}
	out, err := runInitdb(ctx, inst, args, detached(acct))
	if err != nil && strings.Contains(out, "could not look up effective user ID") {
		// initdb insists on a name for this user id, though the server does not.
		// When the second way fails too, the first answer is the telling one.
		if _, errNamed := runInitdb(ctx, inst, args, namedUser(acct)); errNamed == nil {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("initdb: %w: %s", err, lastLines(out, 3))
	}
	return nil
}

func runInitdb(ctx context.Context, inst Installation, args []string, attr *syscall.SysProcAttr) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(inst.Bin, "initdb"), args...)
	cmd.Dir = "/"
	cmd.Env = serverEnv(inst.Bin)
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// copyData copies a cluster that is not running, for the account.
func copyData(from, to string, acct *account, sync bool) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		switch {
		case entry.IsDir():
			err = os.Mkdir(target, 0o700)
		case entry.Type().IsRegular():
			err = copyFile(path, target, sync)
		default:
			err = fmt.Errorf("unexpected file %s", path)
		}
		return errors.Join(err, acct.give(target))
	})
}

func copyFile(from, to string, sync bool) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if _, err := io.Copy(out, in); err != nil {
		return err
	}
	if sync {
		return out.Sync()
	}
	return nil
}

// lastLines returns the last n lines that are not empty, on one line.
func lastLines(text string, n int) string {
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}
