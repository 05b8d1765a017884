package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/moat-db/moat/internal/migrations/tools"
	"github.com/moat-db/moat/protect"
)

// emitProtect writes the files, and says what they leave out. One that is there already is
// never overwritten, but for Atlas's checksums of all of them.
func (a *app) emitProtect(plan *protect.Plan, f protectFlags) error {
	existing, texts, err := emitted(f.dir)
	if err != nil {
		return err
	}
	files, err := protect.Emit(plan, protect.EmitOptions{Tool: f.emit, Existing: existing, Texts: texts, Now: time.Now(),
		Until: protect.Group(f.until), LockTimeout: f.lockTimeout})
	if open := new(protect.OpenError); errors.As(err, &open) {
		return a.refuse(open, f)
	}
	if err != nil {
		return err
	}
	for _, file := range files {
		path := filepath.Join(f.dir, filepath.FromSlash(file.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("make the folder: %w", err)
		}
		if err := writeNew(path, file.Text, file.Name == tools.AtlasSum); err != nil {
			return err
		}
		fmt.Fprintln(a.Out, path)
	}
	for _, l := range plan.Left {
		fmt.Fprintf(a.Err, "moat: left out: %s: %s\n", l.Title, l.Reason)
	}
	return nil
}

// emitted reads what the folder has: names of files and folders, and the files' texts.
func emitted(dir string) (names []string, texts map[string]string, err error) {
	texts = map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("read the folder: %w", err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
		if e.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, nil, fmt.Errorf("read the folder: %w", err)
		}
		texts[e.Name()] = string(text)
	}
	return names, texts, nil
}

func writeNew(path, text string, again bool) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if again {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	out, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return fmt.Errorf("write migration: %w", err)
	}
	if _, err := out.WriteString(text); err != nil {
		out.Close()
		return fmt.Errorf("write migration: %w", err)
	}
	return out.Close()
}
