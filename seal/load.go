package seal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// LoadKeys reads a key file: one key per line, the first one signs, lines that start
// with # are comments. A source of the form "env:NAME" is read from that environment
// variable instead.
//
// A file that every user of the machine may read is refused. Errors never repeat a
// key.
func LoadKeys(source string) ([]Key, error) {
	if name, ok := strings.CutPrefix(source, "env:"); ok {
		text, set := os.LookupEnv(name)
		if !set {
			return nil, fmt.Errorf("seal key: environment variable %s is not set", name)
		}
		return parseKeys(text, source)
	}
	if err := checkMode(source); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(source)
	if err != nil {
		return nil, fmt.Errorf("seal key: %w", err)
	}
	return parseKeys(string(text), source)
}

// othersRead are the permission bits of users who are neither owner nor group.
const othersRead fs.FileMode = 0o007

// othersWrite is the permission to put another file in the place of one.
const othersWrite fs.FileMode = 0o002

// checkMode judges what a link points to, and the directory that it stands in: whoever may
// write there may replace the key.
func checkMode(file string) error {
	target, err := filepath.EvalSymlinks(file)
	if err != nil {
		return fmt.Errorf("seal key: %w", err)
	}
	info, err := os.Stat(target)
	if err != nil {
		return fmt.Errorf("seal key: %w", err)
	}
	dir, err := os.Stat(filepath.Dir(target))
	if err != nil {
		return fmt.Errorf("seal key: %w", err)
	}
	if permissionsMatter && dir.Mode().Perm()&othersWrite != 0 && dir.Mode()&fs.ModeSticky == 0 {
		return fmt.Errorf("seal key: every user may replace the files in %s: chmod o-w", filepath.Dir(target))
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("seal key: %s is not a file", file)
	}
	if permissionsMatter && info.Mode().Perm()&othersRead != 0 {
		return fmt.Errorf("seal key: %s may be read by every user: chmod 640 or less", file)
	}
	return nil
}

func parseKeys(text, source string) ([]Key, error) {
	var keys []Key
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		k, err := ParseKey(line)
		if err != nil {
			return nil, fmt.Errorf("seal key: %s: %w", source, err)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("seal key: %s holds no key", source)
	}
	return keys, nil
}

// WriteKeys writes a key file that only its owner may read, in one step: a reader
// sees the old file or the new one. The mode of an existing file is kept.
func WriteKeys(file string, keys ...Key) error {
	if len(keys) == 0 {
		return errors.New("seal key: no key to write")
	}
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target // the link stays
	}
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode().Perm() &^ othersRead
	}
	temporary, err := os.CreateTemp(filepath.Dir(file), ".seal-*")
	if err != nil {
		return fmt.Errorf("seal key: %w", err)
	}
	defer os.Remove(temporary.Name()) // fails once renamed
	var text strings.Builder
	text.WriteString("# Signing keys of moat's sealed mode. The first one signs. Keep this file secret.\n")
	for _, k := range keys {
		text.WriteString(k.Encode())
	}
	_, err = temporary.WriteString(text.String())
	err = errors.Join(err, temporary.Chmod(mode), temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("seal key: %w", err)
	}
	return nil
}
