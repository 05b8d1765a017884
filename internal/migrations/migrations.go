// Package migrations reads folders of SQL migrations and applies them to an empty
// database, remembering which statement made what.
//
// It knows goose, tern, golang-migrate, dbmate, Atlas, Flyway, Supabase and plain SQL
// by their file names and markers, and takes only what migrates up. It runs no
// migrations written in a program, and no templates.
package migrations

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/moat-db/moat/internal/migrations/tools"
	"github.com/moat-db/moat/internal/sqltext"
)

// ErrNoFiles is returned for a folder without SQL files that migrate up.
var ErrNoFiles = errors.New("no SQL migrations in this folder")

// Folder is a folder of migrations in the order in which they run.
type Folder struct {
	Tool  *tools.Tool
	Files []File
}

// File is one migration: the statements of its way up.
type File struct {
	Name       string // slash-separated, below the folder
	Path       string // as the folder was named, for messages
	Statements []sqltext.Statement
}

// Read reads a folder. Supabase's project folder stands for its migrations folder,
// and a folder of folders (Prisma's) is read with them.
func Read(dir string) (Folder, error) {
	if info, err := os.Stat(path.Join(dir, "migrations")); err == nil && info.IsDir() && path.Base(dir) == "supabase" {
		dir = path.Join(dir, "migrations")
	}
	root := os.DirFS(dir)
	if _, err := fs.Stat(root, "."); err != nil {
		return Folder{}, fmt.Errorf("read migrations: %w", err)
	}
	texts, err := readAll(root)
	if err != nil {
		return Folder{}, fmt.Errorf("read migrations: %w", err)
	}
	f := Folder{Tool: tools.Detect(dir, texts)}
	for name, text := range texts {
		up, ok := f.Tool.WayUp(name, text)
		if !ok || name == tools.AtlasSum {
			continue
		}
		f.Files = append(f.Files, File{Name: name, Path: path.Join(dir, name), Statements: sqltext.Split(up)})
	}
	if len(f.Files) == 0 {
		return Folder{}, fmt.Errorf("%s: %w", dir, ErrNoFiles)
	}
	slices.SortFunc(f.Files, func(a, b File) int { return f.Tool.Compare(a.Name, b.Name) })
	return f, nil
}

// readAll returns the texts of the SQL files, by name, and of atlas.sum.
func readAll(root fs.FS) (map[string]string, error) {
	texts := map[string]string{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != "." && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if d.IsDir() || path.Ext(name) != ".sql" && name != tools.AtlasSum {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		texts[name] = string(text)
		return err
	})
	return texts, err
}
