package protect

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moat-db/moat/internal/sqltext"
)

// Tool is a migration tool that a plan can be written for.
type Tool string

// The tools.
const (
	Goose         Tool = "goose"
	Tern          Tool = "tern"
	GolangMigrate Tool = "golang-migrate"
	Dbmate        Tool = "dbmate"
	Plain         Tool = "plain" // one file up; also Supabase and sqlc
)

// Tools returns the tools by name.
func Tools() []Tool { return []Tool{Goose, Tern, GolangMigrate, Dbmate, Plain} }

// EmitOptions say how files are written. Tool is required.
type EmitOptions struct {
	Tool Tool
	// Existing are the names of the files in the folder: their numbering goes on.
	Existing []string
	// Now dates the first file where files are numbered by time.
	Now time.Time
	// Until is the last group to write; zero means all of them.
	Until Group
	// LockTimeout is set in files that run in a transaction; zero means 2 seconds.
	// Unlike [Apply] a file does not try again: the tool has to be run again.
	LockTimeout time.Duration
}

// File is one migration file.
type File struct{ Name, Text string }

// Emit renders the plan as files of a migration tool, up and down, in the order
// they have to run: one file for each statement that cannot be in a transaction,
// and otherwise one for each table and group, so that no transaction holds locks on
// two tables for longer than it must.
func Emit(plan *Plan, o EmitOptions) ([]File, error) {
	if !slices.Contains(Tools(), o.Tool) {
		return nil, fmt.Errorf("unknown migration tool %q", o.Tool)
	}
	if o.Until == "" {
		o.Until = GroupGuards
	}
	if o.LockTimeout == 0 {
		o.LockTimeout = 2 * time.Second
	}
	next, err := numbering(o)
	if err != nil {
		return nil, err
	}
	var files []File
	for _, m := range migrations(plan, o) {
		files = append(files, m.files(o, next())...)
	}
	return files, nil
}

// migration is what goes into one file (or a pair of them).
type migration struct {
	group     Group
	table     string
	title     string
	comments  []string
	up, down  []string
	tx        bool
	mergeable bool
}

// migrations cuts the plan into files.
func migrations(plan *Plan, o EmitOptions) []migration {
	var all []migration
	for _, s := range plan.Steps {
		if !o.Until.Includes(s.Group) {
			continue
		}
		if s.Kind == KindConcurrent {
			all = append(all, concurrentMigrations(s)...)
			continue
		}
		m := migration{group: s.Group, title: s.Title, up: s.SQL, down: s.Undo, tx: true, mergeable: s.Kind == KindSQL}
		if s.Table.Name != "" {
			m.table = key(s.Table)
		}
		m.comments = comments(s)
		if s.Kind == KindBackfill {
			m.up, m.tx = []string{s.Backfill.loopSQL()}, false
		}
		if last := len(all) - 1; last >= 0 && m.mergeable && all[last].mergeable && all[last].group == m.group && all[last].table == m.table && m.table != "" {
			all[last].add(m)
			continue
		}
		all = append(all, m)
	}
	return all
}

// add appends another step of the same table: it is undone first.
func (m *migration) add(o migration) {
	m.up = append(slices.Clone(m.up), o.up...)
	m.down = append(slices.Clone(o.down), m.down...)
	m.comments = append(m.comments, o.comments...)
}

// concurrentMigrations gives each statement a file of its own.
func concurrentMigrations(s Step) []migration {
	var all []migration
	for i, q := range s.SQL {
		m := migration{group: s.Group, table: key(s.Table), title: s.Title, up: []string{q}, comments: comments(s)}
		if i == len(s.SQL)-1 {
			m.down = s.Undo
		}
		all = append(all, m)
	}
	return all
}

func comments(s Step) []string {
	lines := []string{s.Title + ": " + s.Reason}
	if s.Lock != NoLock {
		lines = append(lines, fmt.Sprintf("lock: %s, keeps waiting: %s", s.Lock, s.Lock.Blocks()))
	}
	for _, h := range s.Hazards {
		lines = append(lines, "hazard: "+h)
	}
	if s.Check != nil {
		lines = append(lines, "must count 0: "+s.Check.Count)
	}
	return lines
}

// loopSQL is the backfill as one statement that commits after each batch of pages.
// It must not run inside a transaction.
func (b *Backfill) loopSQL() string {
	var body strings.Builder
	body.WriteString("\nDECLARE\n  page bigint;\n  pages bigint;\nBEGIN\n")
	for _, part := range b.Parts {
		target := sqltext.Literal(part.Table.SQL())
		fmt.Fprintf(&body, "  page := 0;\n  LOOP\n    pages := pg_catalog.pg_relation_size(%s::regclass) / pg_catalog.current_setting('block_size')::bigint;\n    EXIT WHEN page >= pages;\n", target)
		body.WriteString("    -- The table's own triggers are held back where the role may do that.\n    IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN\n      PERFORM pg_catalog.set_config('session_replication_role', 'replica', true);\n    END IF;\n")
		fmt.Fprintf(&body, "    %s;\n", b.batchSQL(part, "c.ctid >= format('(%s,0)', page)::tid AND c.ctid < format('(%s,0)', page + 50)::tid"))
		body.WriteString("    COMMIT;\n    PERFORM pg_catalog.pg_sleep(0.02);\n    page := page + 50;\n  END LOOP;\n")
	}
	body.WriteString("END\n")
	return "DO " + sqltext.Dollar(body.String())
}

// numbering returns a function that gives the next file's number.
func numbering(o EmitOptions) (func() string, error) {
	last, width := "", 0
	for _, n := range o.Existing {
		m := regexp.MustCompile(`^V?(\d+)_.*\.(sql|go)$`).FindStringSubmatch(n)
		if m == nil {
			continue
		}
		if len(strings.TrimLeft(m[1], "0")) > len(strings.TrimLeft(last, "0")) || (len(m[1]) == len(last) && m[1] > last) {
			last, width = m[1], len(m[1])
		}
	}
	const stamp = "20060102150405"
	if t, err := time.Parse(stamp, last); err == nil || (last == "" && o.Tool != Tern) {
		at := o.Now.UTC().Truncate(time.Second)
		if err == nil && !at.After(t) {
			at = t.Add(time.Second)
		}
		at = at.Add(-time.Second)
		return func() string { at = at.Add(time.Second); return at.Format(stamp) }, nil
	}
	if last == "" {
		last, width = "0", 3
	}
	n, err := strconv.ParseUint(last, 10, 63)
	if err != nil {
		return nil, fmt.Errorf("number of the last migration %q: %w", last, err)
	}
	return func() string { n++; return fmt.Sprintf("%0*d", width, n) }, nil
}
