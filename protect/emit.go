package protect

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/migrations/tools"
	"github.com/moat-db/moat/internal/sqltext"
)

// EmitOptions say how files are written. Tool is required.
type EmitOptions struct {
	// Tool is the name of a migration tool: one of tools.Writers.
	Tool string
	// Existing are the names of the files and folders in the folder: their numbering goes on.
	Existing []string
	// Texts are the files themselves, by name, for a tool that keeps checksums of them.
	Texts map[string]string
	// Now dates the first file where files are numbered by time.
	Now time.Time
	// Until is the last group to write; zero means all of them.
	Until Group
	// LockTimeout is set in files that run in a transaction; zero means 2 seconds.
	// Unlike [Apply] a file does not try again: the tool has to be run again.
	LockTimeout time.Duration
}

// File is one migration file.
type File = tools.File

// Emit renders the plan as files of a migration tool, up and down, in the order
// they have to run: one file for each statement that cannot be in a transaction,
// and otherwise one for each table and group, so that no transaction holds locks on
// two tables for longer than it must.
func Emit(plan *Plan, o EmitOptions) ([]File, error) {
	tool := tools.Named(o.Tool)
	if tool == nil || tool.Write == nil {
		return nil, fmt.Errorf("migration tool %q: plans are written for %s", o.Tool, strings.Join(tools.Writers(), ", "))
	}
	if o.Until == "" {
		o.Until = GroupGuards
	}
	if err := plan.settled(o.Until); err != nil {
		return nil, err
	}
	if o.LockTimeout == 0 {
		o.LockTimeout = 2 * time.Second
	}
	next, err := numbering(o, tool.Numbered)
	if err != nil {
		return nil, err
	}
	var files []File
	for _, m := range migrations(plan, o) {
		files = append(files, tool.Write(m.rendered(next(), o.LockTimeout))...)
	}
	if tool.Seal != nil && len(files) > 0 {
		return tool.Seal(o.Texts, files)
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
	for _, s := range append(slices.Clone(plan.Given), plan.Steps...) {
		if !o.Until.Includes(s.Group) {
			continue
		}
		s = s.travelling()
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
		if last := len(all) - 1; last >= 0 && m.mergeable && all[last].mergeable && all[last].group == m.group &&
			all[last].table == m.table && m.table != "" {
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

// concurrentMigrations gives each statement a file of its own, which can run again after
// it was interrupted. One more finishes an index that was.
func concurrentMigrations(s Step) []migration {
	var all []migration
	for i, q := range s.SQL {
		q = strings.Replace(q, "INDEX CONCURRENTLY ", "INDEX CONCURRENTLY IF NOT EXISTS ", 1)
		if strings.HasPrefix(q, "DROP ") {
			q = s.SQL[i]
		}
		m := migration{group: s.Group, table: key(s.Table), title: s.Title, up: []string{q}, comments: comments(s)}
		if i == len(s.SQL)-1 {
			m.down = s.Undo
		}
		all = append(all, m)
	}
	if s.Index.Name == "" {
		return all
	}
	return append(all, migration{group: s.Group, table: key(s.Table), title: "finish index " + s.Index.Name, tx: true,
		mergeable: true, up: []string{finishIndex(s.Index)}, comments: []string{"builds " + s.Index.Name +
			" anew, and blocks writers meanwhile, only if the file before was interrupted"}})
}

// finishIndex builds an index again that an interrupted CREATE INDEX CONCURRENTLY has left
// invalid: IF NOT EXISTS takes it for one that is there.
func finishIndex(index catalog.QName) string {
	return "DO " + sqltext.Dollar(fmt.Sprintf("BEGIN\n  IF EXISTS (SELECT FROM pg_catalog.pg_index WHERE indexrelid = "+
		"pg_catalog.to_regclass(%s) AND NOT indisvalid) THEN\n    REINDEX INDEX %s;\n  END IF;\nEND",
		sqltext.Literal(index.SQL()), index.SQL()))
}

func comments(s Step) []string {
	lines := []string{s.Title + ": " + s.Reason}
	if s.Lock != NoLock {
		lines = append(lines, fmt.Sprintf("lock: %s, blocks %s", s.Lock, s.Lock.Blocks()))
	}
	lines = append(lines, list.Map(s.Hazards, func(h string) string { return "hazard: " + h })...)
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
		fmt.Fprintf(&body, "  page := 0;\n  LOOP\n    pages := pg_catalog.pg_relation_size(%s::regclass) / "+
			"pg_catalog.current_setting('block_size')::bigint;\n    EXIT WHEN page >= pages;\n", target)
		body.WriteString("    -- The table's own triggers are held back where the role may do that.\n    IF (SELECT " +
			"rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN\n      PERFORM " +
			"pg_catalog.set_config('session_replication_role', 'replica', true);\n    END IF;\n")
		fmt.Fprintf(&body, "    %s;\n", b.batchSQL(part,
			"c.ctid >= format('(%s,0)', page)::tid AND c.ctid < format('(%s,0)', page + 50)::tid"))
		body.WriteString("    COMMIT;\n    PERFORM pg_catalog.pg_sleep(0.02);\n    page := page + 50;\n  END LOOP;\n")
	}
	body.WriteString("END\n")
	return "DO " + sqltext.Dollar(body.String())
}

// numbering returns a function that gives the next file's number.
func numbering(o EmitOptions, numbered bool) (func() string, error) {
	last, width := "", 0
	for _, n := range o.Existing {
		m := regexp.MustCompile(`^V?(\d+)_[^.]*(\.(up\.|down\.)?(sql|go))?$`).FindStringSubmatch(n)
		if m == nil {
			continue
		}
		if len(strings.TrimLeft(m[1], "0")) > len(strings.TrimLeft(last, "0")) || (len(m[1]) == len(last) && m[1] > last) {
			last, width = m[1], len(m[1])
		}
	}
	const stamp = "20060102150405"
	if t, err := time.Parse(stamp, last); err == nil || (last == "" && !numbered) {
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
		return nil, fmt.Errorf("read the number of the last migration %q: %w", last, err)
	}
	return func() string { n++; return fmt.Sprintf("%0*d", width, n) }, nil
}

// rendered is the migration as a tool writes it.
func (m migration) rendered(number string, lockTimeout time.Duration) tools.Migration {
	down := m.down
	if len(down) == 0 {
		down = []string{"SELECT 1"}
	}
	return tools.Migration{Name: number + "_" + m.slug(), Comments: m.head(), Up: m.up, Down: down, Transaction: m.tx,
		LockTimeout: lockTimeout}
}

func (m migration) head() string {
	var b strings.Builder
	for _, line := range m.comments {
		// A line that a tool could take for its own mark stays a comment.
		b.WriteString("-- " + strings.ReplaceAll(line, "\n", " ") + "\n")
	}
	return b.String()
}

func (m migration) slug() string {
	words := "moat_" + string(m.group) + "_" + m.table + "_" + m.title
	slug := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(words), "_"), "_")
	if len(slug) > 90 {
		slug = strings.TrimRight(slug[:90], "_")
	}
	return slug
}
