// Package tools is the one list of migration tools: how each names and marks its files,
// what it writes, and in which tables it keeps its state. A tool is one file here and a
// line in [All].
package tools

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moat-db/moat/internal/list"
)

// Tool is one migration tool. Fields that are nil mean what a folder of plain SQL files
// does.
type Tool struct {
	Name string
	// Tables are those in which the tool keeps its state.
	Tables []string
	// Is says whether one file alone tells that the folder is this tool's; nil for a
	// tool that is known by its tables only.
	Is func(dir, name, text string) bool
	// Up returns the part of a file that migrates up, with the lines where they were,
	// and false for a file that has none.
	Up func(name, text string) (string, bool)
	// Version returns the text of a file's version.
	Version func(name string) string
	// Prelude is SQL that a new database of this tool's has run, and Schemas are those
	// that it makes.
	Prelude string
	Schemas []string
	// Bypasses is true where the role that runs the files bypasses row-level security.
	Bypasses bool
	// Write makes the files of one migration; nil for a tool that plans are not
	// written for.
	Write func(m Migration) []File
	// Seal completes the new files of a folder whose files, by name, are there already; nil
	// for nothing. A file of a name that is there takes its place.
	Seal func(there map[string]string, files []File) ([]File, error)
	// Numbered is true for a tool whose first file is 001, not a time.
	Numbered bool
}

// File is one migration file; its name may have a folder.
type File struct{ Name, Text string }

// Migration is what one file, or a pair of them, says.
type Migration struct {
	Name        string // number and slug
	Comments    string // lines of comments that head the way up
	Up, Down    []string
	Transaction bool
	LockTimeout time.Duration // of a transaction
}

// All lists the tools. Where a folder could be of several, the first that knows it by a
// file is taken; the last reads any folder.
func All() []*Tool {
	known := []*Tool{atlas(), golangMigrate(), goose(), dbmate(), tern(), flyway(), supabase(), prisma(), alembic()}
	return append(append(known, others()...), plain())
}

// Named returns the tool of that name, nil when there is none.
func Named(name string) *Tool {
	i := slices.IndexFunc(All(), func(t *Tool) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return All()[i]
}

// Writers returns the names of the tools that plans are written for.
func Writers() []string {
	return list.Pick(All(), func(t *Tool) (string, bool) { return t.Name, t.Write != nil })
}

// Readers returns the names of the tools whose folders are read.
func Readers() []string {
	names := list.Pick(All(), func(t *Tool) (string, bool) { return t.Name, t.Is != nil })
	return append(names, plain().Name)
}

// Detect tells the tool of a folder by its files.
func Detect(dir string, texts map[string]string) *Tool {
	for _, t := range All() {
		for name, text := range texts {
			if t.Is != nil && t.Is(dir, path.Base(name), text) {
				return t
			}
		}
	}
	return plain()
}

// WayUp is Up of the tool, or of a plain folder.
func (t *Tool) WayUp(name, text string) (string, bool) {
	if t.Up != nil {
		return t.Up(path.Base(name), text)
	}
	base := path.Base(name)
	// A plain folder may hold the way back beside the way up.
	return text, !strings.HasSuffix(base, ".down.sql") && !strings.HasSuffix(base, ".undo.sql")
}

// Compare orders files as the tool runs them: by version, those without one last, and
// else by name.
func (t *Tool) Compare(a, b string) int {
	return cmp.Or(compareVersions(t.numbers(a), t.numbers(b)), strings.Compare(a, b))
}

var leadingDigits = regexp.MustCompile(`^\d+`)

// numbers are those of a file's version; none sorts last.
func (t *Tool) numbers(name string) []uint64 {
	text := leadingDigits.FindString(path.Base(name))
	if text == "" && strings.Contains(name, "/") {
		text = leadingDigits.FindString(name) // Prisma: 2026…_name/migration.sql
	}
	if t.Version != nil {
		text = t.Version(path.Base(name))
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

// script writes statements, with the lock timeout of a transaction first.
func (m Migration) script(statements []string, write func(sql string) string) string {
	var b strings.Builder
	if m.Transaction {
		fmt.Fprintf(&b, "SET LOCAL lock_timeout = '%dms';\n", m.LockTimeout.Milliseconds())
	}
	for _, sql := range statements {
		b.WriteString(write(sql))
	}
	return b.String()
}

func statement(sql string) string { return sql + ";\n" }

// wrapped is script in a transaction of its own, for tools that open none.
func (m Migration) wrapped(statements []string) string {
	text := m.script(statements, statement)
	if m.Transaction {
		return "BEGIN;\n" + text + "COMMIT;\n"
	}
	return text
}

// mode returns a mark for what cannot run in a transaction, "" for what can.
func (m Migration) mode(mark string) string {
	if m.Transaction {
		return ""
	}
	return mark
}
