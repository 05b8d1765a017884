// Package migrations reads folders of SQL migrations and applies them to an empty
// database, remembering which statement made what.
//
// It knows goose, tern, golang-migrate, dbmate, Atlas, Flyway, Supabase and plain SQL
// by their file names and markers, and takes only what migrates up. It runs no
// migrations written in a program, and no templates.
package migrations

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat/internal/sqltext"
)

// Tool is the migration tool that a folder is written for.
type Tool string

// The tools that are known by their files.
const (
	Goose         Tool = "goose"
	Tern          Tool = "tern"
	GolangMigrate Tool = "golang-migrate"
	Dbmate        Tool = "dbmate"
	Atlas         Tool = "atlas"
	Flyway        Tool = "flyway"
	Supabase      Tool = "supabase"
	Plain         Tool = "plain"
)

// ErrNoFiles is returned for a folder without SQL files that migrate up.
var ErrNoFiles = errors.New("no SQL migrations in this folder")

// Folder is a folder of migrations in the order in which they run.
type Folder struct {
	Tool  Tool
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
	f := Folder{Tool: detect(dir, texts)}
	for name, text := range texts {
		up, ok := f.Tool.up(name, text)
		if !ok || name == atlasSum {
			continue
		}
		f.Files = append(f.Files, File{Name: name, Path: path.Join(dir, name), Statements: sqltext.Split(up)})
	}
	if len(f.Files) == 0 {
		return Folder{}, fmt.Errorf("%s: %w", dir, ErrNoFiles)
	}
	slices.SortFunc(f.Files, func(a, b File) int { return f.Tool.compare(a.Name, b.Name) })
	return f, nil
}

const atlasSum = "atlas.sum"

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
		if d.IsDir() || path.Ext(name) != ".sql" && name != atlasSum {
			return nil
		}
		text, err := fs.ReadFile(root, name)
		texts[name] = string(text)
		return err
	})
	return texts, err
}

var (
	gooseUp     = regexp.MustCompile(`(?mi)^--\s*\+goose\s+up\b.*$`)
	gooseDown   = regexp.MustCompile(`(?mi)^--\s*\+goose\s+down\b.*$`)
	dbmateUp    = regexp.MustCompile(`(?mi)^--\s*migrate:up\b.*$`)
	dbmateDown  = regexp.MustCompile(`(?mi)^--\s*migrate:down\b.*$`)
	ternDown    = regexp.MustCompile(`(?mi)^----\s*create above\s*/\s*drop below\s*----\s*$`)
	flywayName  = regexp.MustCompile(`^(?:V(\d+(?:[._]\d+)*)|R)__.*\.sql$`)
	flywayUndo  = regexp.MustCompile(`^[UB]\d+(?:[._]\d+)*__.*\.sql$`)
	leadingDigt = regexp.MustCompile(`^\d+`)
)

// detect tells the tool by its files: what it alone has, first.
func detect(dir string, texts map[string]string) Tool {
	any := func(is func(name, text string) bool) bool {
		for name, text := range texts {
			if is(path.Base(name), text) {
				return true
			}
		}
		return false
	}
	switch {
	case any(func(name, _ string) bool { return name == atlasSum }):
		return Atlas
	case any(func(name, _ string) bool { return strings.HasSuffix(name, ".up.sql") }):
		return GolangMigrate
	case any(func(_, text string) bool { return gooseUp.MatchString(text) }):
		return Goose
	case any(func(_, text string) bool { return dbmateUp.MatchString(text) }):
		return Dbmate
	case any(func(_, text string) bool { return ternDown.MatchString(text) }):
		return Tern
	case any(func(name, _ string) bool { return flywayName.MatchString(name) }):
		return Flyway
	case strings.Contains(path.Clean(dir), "supabase"):
		return Supabase
	}
	return Plain
}

// up returns the part of a file that migrates up, with the lines where they were, and
// false for a file that has none.
func (t Tool) up(name, text string) (string, bool) {
	base := path.Base(name)
	switch t {
	case GolangMigrate:
		return text, strings.HasSuffix(base, ".up.sql")
	case Flyway:
		return text, flywayName.MatchString(base) && !flywayUndo.MatchString(base)
	case Goose:
		return between(text, gooseUp, gooseDown)
	case Dbmate:
		return between(text, dbmateUp, dbmateDown)
	case Tern:
		if at := ternDown.FindStringIndex(text); at != nil {
			text = text[:at[0]]
		}
		return text, leadingDigt.MatchString(base)
	}
	// A plain folder may hold the way back beside the way up.
	return text, !strings.HasSuffix(base, ".down.sql") && !strings.HasSuffix(base, ".undo.sql")
}

// between blanks everything outside the section that from opens and to ends.
func between(text string, from, to *regexp.Regexp) (string, bool) {
	start := from.FindStringIndex(text)
	if start == nil {
		return "", false
	}
	end := len(text)
	if at := to.FindStringIndex(text[start[1]:]); at != nil {
		end = start[1] + at[0]
	}
	return strings.Repeat("\n", strings.Count(text[:start[1]], "\n")) + text[start[1]:end], true
}

// compare orders files as the tool runs them: by version, Flyway's repeatable ones
// last, and else by name.
func (t Tool) compare(a, b string) int {
	return cmp.Or(compareVersions(t.version(a), t.version(b)), strings.Compare(a, b))
}

// version returns the numbers of a file's version; none sorts last.
func (t Tool) version(name string) []uint64 {
	base := path.Base(name)
	text := leadingDigt.FindString(base)
	if text == "" && strings.Contains(name, "/") {
		text = leadingDigt.FindString(name) // Prisma: 2026…_name/migration.sql
	}
	if t == Flyway {
		text = ""
		if m := flywayName.FindStringSubmatch(base); m != nil {
			text = m[1]
		}
	}
	var out []uint64
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '.' || r == '_' }) {
		n, err := strconv.ParseUint(part, 10, 64)
		if err != nil {
			return nil
		}
		out = append(out, n)
	}
	return out
}

func compareVersions(a, b []uint64) int {
	if (len(a) == 0) != (len(b) == 0) {
		return len(b) - len(a) // one has no version: it runs last
	}
	for len(a) > 0 && a[len(a)-1] == 0 {
		a = a[:len(a)-1]
	}
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return slices.Compare(a, b)
}
