// Package audittest lets a program audit its own schema in its tests: [Check].
//
// It also gives the fixtures of audit/testdata: for each known hole
// a schema that has it and the change that mends it, and for each control a schema
// that looks suspicious and is not. See audit/testdata/README.md for the format.
package audittest

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// The two tenants whose rows every fixture holds.
const (
	TenantA = "11111111-1111-1111-1111-111111111111"
	TenantB = "22222222-2222-2222-2222-222222222222"
)

// Hole is one fixture. Its zero versions mean every supported one.
type Hole struct {
	// ID is the catalogue's, such as P15, or the control's.
	ID string
	// Object is what an audit must name, with {{role}} in place of role names.
	Object string
	// MinMajor and MaxMajor bound the versions that have the hole; 0 is no bound.
	MinMajor, MaxMajor int
	Vulnerable, Mended string
	roles              []string // "prefix ATTRIBUTES"
	with               string   // "citus": its catalogue, imitated
}

// Applies reports whether the fixture is for this major version.
func (h Hole) Applies(major int) bool {
	return major >= h.MinMajor && (h.MaxMajor == 0 || major <= h.MaxMajor)
}

// Holes reads every fixture under audit/testdata/holes, in order of id.
func Holes(t testing.TB) []Hole {
	t.Helper()
	var holes []Hole
	for _, e := range entries(t, "holes") {
		if !e.IsDir() {
			continue
		}
		h := parse(e.Name(), read(t, "holes", e.Name(), "vulnerable.sql"))
		h.Mended = read(t, "holes", e.Name(), "mended.sql")
		holes = append(holes, h)
	}
	return holes
}

// Controls reads every fixture under audit/testdata/controls: Vulnerable is the
// control's schema, Mended is empty.
func Controls(t testing.TB) []Hole {
	t.Helper()
	var holes []Hole
	for _, e := range entries(t, "controls") {
		holes = append(holes, parse(strings.TrimSuffix(e.Name(), ".sql"), read(t, "controls", e.Name())))
	}
	return holes
}

// Made is a hole of a test's own, in the form of the files.
func Made(id, text string) Hole { return parse(id, text) }

// Fixture is a hole set up in a database.
type Fixture struct {
	Hole
	*pgtest.Database
	// App and Owner are the application role and the owner of the tables.
	App, Owner string
	names      *strings.Replacer
	tx         *pgx.Conn // nil in a database of its own
	admin      *pgx.Conn // there
}

// Setup makes a database with the base schema and the hole in it.
func (h Hole) Setup(t testing.TB, c *pgtest.Cluster) *Fixture {
	t.Helper()
	db := c.New(t)
	f := &Fixture{Hole: h, Database: db}
	f.fill(t, func(prefix, attributes string) string {
		role := db.Role(t, prefix, attributes)
		if prefix == "app" {
			db.CheckAppRole(t, role) // before the hole makes it one that bypasses
		}
		return role
	})
	return f
}

// fill makes the roles, the base schema and the hole.
func (f *Fixture) fill(t testing.TB, role func(prefix, attributes string) string) {
	t.Helper()
	f.App, f.Owner = role("app", pgtest.AppAttributes), role("owner", "NOLOGIN")
	pairs := []string{"{{app}}", f.App, "{{owner}}", f.Owner, "{{database}}", f.Name}
	for _, r := range f.roles {
		prefix, attributes, _ := strings.Cut(r, " ")
		pairs = append(pairs, "{{"+prefix+"}}", role(strings.ReplaceAll(prefix, "_", ""), attributes))
	}
	f.names = strings.NewReplacer(pairs...)
	f.Exec(t, f.Expand(read(t, "holes", "base.sql")))
	if f.with == "citus" {
		f.Exec(t, pgtest.Citus)
	}
	f.Exec(t, f.Expand(f.Vulnerable))
}

// Admin returns a superuser's connection that sees the fixture: the same one each time, which reads
// the catalog at half the price from the second time on.
func (f *Fixture) Admin(t testing.TB) *pgx.Conn {
	t.Helper()
	if f.tx != nil {
		return f.tx
	}
	if f.admin == nil || f.admin.IsClosed() {
		f.admin = f.Conn(t, f.URL)
	}
	return f.admin
}

// Exec runs SQL as superuser.
func (f *Fixture) Exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if f.tx == nil {
		f.Database.Exec(t, sql, args...)
		return
	}
	_, err := f.tx.Exec(t.Context(), sql, append([]any{pgx.QueryExecModeSimpleProtocol}, args...)...)
	if err != nil {
		t.Fatalf("audittest: %v\nin: %s", err, sql)
	}
}

// Mend runs the fixture's mending statements.
func (f *Fixture) Mend(t testing.TB) {
	t.Helper()
	f.Exec(t, f.Expand(f.Mended))
}

// Expand puts the names of this fixture's roles and database into text.
func (f *Fixture) Expand(text string) string { return f.names.Replace(text) }

// parse reads the comment lines at the head of a fixture.
func parse(id, text string) Hole {
	h := Hole{ID: id, Vulnerable: text}
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "-- "), ": ")
		if !strings.HasPrefix(line, "-- ") || !ok {
			break
		}
		switch key {
		case "object":
			h.Object = value
		case "role":
			h.roles = append(h.roles, value)
		case "with":
			h.with = value
		case "versions":
			h.MinMajor, h.MaxMajor = versions(value)
		}
	}
	return h
}

// versions reads "15+", "13-15" or "15".
func versions(s string) (from, to int) {
	lower, upper, ok := strings.Cut(s, "-")
	from, _ = strconv.Atoi(strings.TrimSuffix(lower, "+"))
	switch {
	case ok:
		to, _ = strconv.Atoi(upper)
	case !strings.HasSuffix(s, "+"):
		to = from
	}
	return from, to
}

func entries(t testing.TB, dir string) []os.DirEntry {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(testdata(), dir))
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return list
}

func read(t testing.TB, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{testdata()}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// testdata is found from the working directory, which for a test is its package's folder.
// The path a binary was compiled from would be shorter, but -trimpath removes it.
func testdata() string {
	dir, _ := os.Getwd()
	for dir != filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		dir = filepath.Dir(dir)
	}
	return filepath.Join(dir, "audit", "testdata")
}
