package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// copyAll is way A: a new partitioned table is filled beside the table, kept like it by a
// mirror, and gets its name in one instant. The table, emptied, is kept in schema moat: an
// undo fills it again, and with its name it gets back whatever an undo could not make anew.
func (w *partitioner) copyAll() {
	q, staged := w.rel.QName(), w.staged()
	m := w.mirrored(q, staged)
	w.keysStep()
	w.tableStep(staged)
	w.step("mirror", Step{Title: "mirror writes to " + key(staged), SQL: m.create(),
		Undo: m.drop(), Needs: needed(w.id("table")), Lock: ShareRowExclusive,
		Hazards: []string{"each write takes about twice as long until the tables are swapped"},
		Reason:  "a row that is written while others are copied reaches both tables in one transaction"})
	w.copyStep(q, staged, nil)
	w.swapStep(m, append(w.lateIndexes(staged), w.readersStep()))
	for _, r := range w.References(q) {
		w.validateStep(r, "swap")
	}
	w.emptyStep()
}

// mirrored is the mirror from one table to another with the same columns.
func (w *partitioner) mirrored(from, to catalog.QName) mirror {
	return mirror{from: from, to: to, columns: w.written(), key: w.rel.PrimaryKey()}
}

// written are the columns that take a value: a generated one computes its own.
func (w *partitioner) written() (names []string) {
	for _, c := range w.rel.Columns {
		if c.Generated == "" {
			names = append(names, c.Name)
		}
	}
	return names
}

func (w *partitioner) tableStep(staged catalog.QName) {
	sql := []string{like(staged, w.rel.QName(), w.by())}
	for _, p := range w.parts() {
		sql = append(sql, fmt.Sprintf("CREATE TABLE %s PARTITION OF %s %s", p.name.SQL(), staged.SQL(), p.bound))
		sql = append(sql, w.closed(p.name)...)
		sql = append(sql, w.stored(p.name)...)
	}
	sql = append(sql, w.closed(staged)...)
	sql = append(sql, w.indexes(staged, suffixed("moat"))...)
	sql = append(sql, w.foreignKeys(staged)...)
	w.step("table", Step{Title: fmt.Sprintf("create %s with %d partitions", key(staged), len(w.parts())),
		SQL: sql, Undo: w.dropNew(staged), Lock: ShareRowExclusive,
		Reason: "it is closed to everybody until it gets the table's name"})
}

// keysStep is the first, so that its undo is the last: keys that were made again are
// validated when nobody is kept out any more.
func (w *partitioner) keysStep() {
	w.step("keys", Step{Title: "validate the keys that refer to the table", SQL: w.validateKeys(),
		Undo: slices.Concat(w.dropNew(w.staged()), w.validateKeys(), w.forget()), Data: true, Lock: ShareUpdateExclusive,
		Reason: "a key that is valid is not checked again; where one was not, it would be found at the end"})
}

// dropNew drops a table key by key: each waits for a lock on the table that it leads to,
// and two such waits at once end in a deadlock with writers.
func (w *partitioner) dropNew(q catalog.QName) (sql []string) {
	for _, k := range w.rel.Constraints {
		if k.Type == catalog.ForeignKey {
			sql = append(sql, fmt.Sprintf("ALTER TABLE IF EXISTS %s DROP CONSTRAINT IF EXISTS %s", q.SQL(),
				sqltext.Ident(k.Name)))
		}
	}
	return append(sql, "DROP TABLE IF EXISTS "+q.SQL())
}

// forget takes what the journal keeps of the plan itself.
func (w *partitioner) forget() []string {
	q := w.rel.QName()
	return []string{"DELETE FROM moat.backfills WHERE part LIKE " + sqltext.Literal(key(q)+copyMark+"%"),
		"DELETE FROM moat.state WHERE name = " + sqltext.Literal(goalName(q))}
}

func (w *partitioner) copyStep(from, to catalog.QName, of func(string) string) {
	b := &Backfill{Table: w.rel.QName(), Into: to, Columns: w.written(), Parts: []Part{{Table: from, Key: walked(w.rel)}}}
	rows := w.sizeOf(w.rel, 50_000)
	if of != nil {
		b.Where = of("c")
		rows = Estimate{Rows: w.know.hot, Seconds: w.know.hot/50_000 + 1}
	}
	w.step("copy", Step{Kind: KindBackfill, Title: "copy rows to " + key(to), Backfill: b, Data: true,
		SQL: []string{b.batchSQL(b.Parts[0], "…")}, Needs: needed(w.id("mirror")), Lock: RowExclusive, Scans: true,
		Estimate: rows, Hazards: []string{"each batch keeps writers of its rows waiting until it commits"},
		Reason: "what the mirror has brought already is left as it is"})
}

// kept is the table's name once it is swapped out.
func (w *partitioner) kept() catalog.QName { return own(sqltext.Name(w.rel.Schema, w.rel.Name)) }

// readersStep comes before rows are read where they were copied to. It returns its id.
func (w *partitioner) readersStep() string {
	w.step("readers", Step{Title: "wait for the readers of older snapshots", SQL: []string{readersGone},
		Needs: needed(w.id("copy")), Hazards: []string{"waits for transactions that started before it"},
		Reason: "they would not see the rows that were copied since"})
	return w.id("readers")
}

// readersGone waits until nobody reads by a snapshot that is older than it, as CREATE INDEX
// CONCURRENTLY does: to those the copied rows are not there.
const readersGone = `DO $$
DECLARE
  others text[];
BEGIN
  LOOP
    PERFORM pg_catalog.pg_stat_clear_snapshot();
    -- A transaction that goes on with a new snapshot has another backend_xmin, or another start. Who may
    -- not read another role's activity sees neither its type nor its start, but its backend_xmin.
    SELECT coalesce(array_agg(o), '{}') INTO others
      FROM (SELECT concat_ws(' ', pid, xact_start, backend_xmin) AS o FROM pg_catalog.pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_xmin IS NOT NULL
               AND coalesce(backend_type, 'client backend') = 'client backend') a
     WHERE others IS NULL OR o = ANY (others);
    EXIT WHEN others = '{}';
    PERFORM pg_catalog.pg_sleep(0.02);
  END LOOP;
END
$$`

func (w *partitioner) swapStep(m mirror, needs []string) {
	s := Step{Title: "give the partitioned table the name " + key(w.rel.QName()), Kind: KindSwap, Data: true,
		Check: m.differs("copy/" + key(w.rel.QName())), Needs: append(needed(w.id("copy")), needs...), Lock: AccessExclusive,
		Reason: "names, rights, policies, triggers, keys and views change hands in one transaction"}
	s.SQL = slices.Concat(w.locked(w.staged()), w.unchanged(w.staged()), m.drop(), w.dropKeys(), w.aside(),
		w.takeName(), w.opened(), w.triggers(), w.addKeys(), w.views(), w.described())
	s.Undo = w.swapBack()
	w.step("swap", s)
}

// locked keeps everybody out of the table, those that refer to it and the new one.
func (w *partitioner) locked(others ...catalog.QName) []string {
	all := []string{w.rel.QName().SQL()}
	for _, r := range w.References(w.rel.QName()) {
		if name := r.From.QName().SQL(); !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	all = append(all, list.Map(others, catalog.QName.SQL)...)
	return []string{"LOCK TABLE " + strings.Join(all, ", ") + " IN ACCESS EXCLUSIVE MODE"}
}

// unchanged stops the swap when a column was added or changed meanwhile.
func (w *partitioner) unchanged(staged catalog.QName) []string {
	columns := func(q catalog.QName) string {
		return "(SELECT array_agg((attname, atttypid, atttypmod, attnotnull)::text ORDER BY attnum) FROM " +
			"pg_catalog.pg_attribute WHERE attrelid = " + sqltext.Literal(q.SQL()) + "::regclass AND attnum > 0 AND " +
			"NOT attisdropped)"
	}
	return []string{"DO " + sqltext.Dollar(fmt.Sprintf("BEGIN\n  IF %s IS DISTINCT FROM %s THEN\n    RAISE EXCEPTION "+
		"'moat: the columns of the table have changed since the plan was made' USING ERRCODE = "+
		"'object_not_in_prerequisite_state', HINT = 'undo the partitioning of this table, and begin again';\n  END IF;\nEND",
		columns(w.rel.QName()), columns(staged)))}
}

// aside puts the table where nobody reads it.
func (w *partitioner) aside() []string {
	q, kept := w.rel.QName(), w.kept()
	moved := catalog.QName{Schema: q.Schema, Name: kept.Name}
	sql := append(w.ownSerials("NONE"), fmt.Sprintf("ALTER TABLE %s RENAME TO %s", q.SQL(), sqltext.Ident(kept.Name)),
		fmt.Sprintf("ALTER TABLE %s SET SCHEMA moat", moved.SQL()),
		fmt.Sprintf("ALTER TABLE %s DISABLE TRIGGER USER", kept.SQL()))
	return append(sql, w.revokeFrom(kept)...)
}

// takeName gives the new table the name, the indexes' names and the numbers of the old one.
func (w *partitioner) takeName() []string {
	q, staged := w.rel.QName(), w.staged()
	sql := append([]string{fmt.Sprintf("ALTER TABLE %s RENAME TO %s", staged.SQL(), sqltext.Ident(q.Name))},
		w.renameIndexes(q.Schema, suffixed("moat"), same)...)
	sql = append(sql, w.ownSerials(q.SQL())...)
	return append(sql, w.numbered(w.kept(), q, own)...)
}

// swapBack gives the table its name again. By then it has all rows: see emptyStep.
func (w *partitioner) swapBack() []string {
	q, staged, kept := w.rel.QName(), w.staged(), w.kept()
	moved := catalog.QName{Schema: q.Schema, Name: kept.Name}
	rename := append([]string{fmt.Sprintf("ALTER TABLE %s RENAME TO %s", q.SQL(), sqltext.Ident(staged.Name))},
		w.renameIndexes(q.Schema, same, suffixed("moat"))...)
	restore := []string{fmt.Sprintf("ALTER TABLE %s SET SCHEMA %s", kept.SQL(), sqltext.Ident(q.Schema)),
		fmt.Sprintf("ALTER TABLE %s RENAME TO %s", moved.SQL(), sqltext.Ident(q.Name))}
	return slices.Concat(w.locked(kept), w.mirrored(q, kept).drop(), w.dropKeys(), w.revokeFrom(q), w.ownSerials("NONE"),
		rename, w.numberedBack(), restore, w.ownSerials(q.SQL()), w.triggerStates(), w.grantsTo(q), w.addKeys(), w.views(),
		w.described())
}

// numberedBack gives the kept table its identity again.
func (w *partitioner) numberedBack() []string {
	return w.numbered(w.staged(), w.kept(), func(n string) catalog.QName {
		return catalog.QName{Schema: w.rel.Schema, Name: n}
	})
}

// equal stops an undo that would lose rows, before it keeps anybody out.
func (w *partitioner) equal(m mirror) string {
	return "DO " + sqltext.Dollar(fmt.Sprintf("BEGIN\n  IF (%s) > 0 THEN\n    RAISE EXCEPTION 'moat: the rows of %s "+
		"are not all in %s' USING ERRCODE = 'object_not_in_prerequisite_state';\n  END IF;\nEND",
		m.differs("").Count, strings.ReplaceAll(key(m.from), "'", "''"), strings.ReplaceAll(key(m.to), "'", "''")))
}

func (w *partitioner) validateStep(r catalog.Reference, after string) {
	q := r.From.QName()
	w.step("validate/"+key(q)+"."+r.Key.Name, Step{Kind: KindValidate,
		Title: "validate key " + r.Key.Name + " of " + key(q),
		SQL:   []string{fmt.Sprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s", q.SQL(), sqltext.Ident(r.Key.Name))},
		Data:  true, Needs: needed(w.id(after)), Lock: ShareUpdateExclusive, Scans: true,
		Estimate: w.sizeOf(r.From, 2_000_000),
		Reason:   "the key holds for new rows already; existing ones are checked without keeping anybody out"})
}

// emptyStep ends the plan. Its undo is the first of all: it mirrors writes to the kept
// table, and copies the rows there.
func (w *partitioner) emptyStep() {
	back := w.mirrored(w.rel.QName(), w.kept())
	w.step("empty", Step{Title: "empty the table as it was, " + key(w.kept()),
		SQL: []string{"TRUNCATE " + w.kept().SQL(), "DELETE FROM moat.state WHERE name = " +
			sqltext.Literal(goalName(w.rel.QName()))},
		Undo:  append(back.create(), copyBack(back), w.equal(back), readersGone),
		Needs: needed(w.id("swap")), Lock: AccessExclusive,
		Reason: "every row is in the partitioned table; its definition stays for an undo"})
}

// copyBack copies all rows in batches, and may be run again.
func copyBack(m mirror) string {
	columns := quoted(m.columns)
	return "DO " + sqltext.Dollar(fmt.Sprintf(`
DECLARE
  k record;
  n int := 0;
BEGIN
  PERFORM set_config('session_replication_role', 'replica', true);
  FOR k IN SELECT %[1]s FROM %[2]s LOOP
    INSERT INTO %[3]s (%[4]s) OVERRIDING SYSTEM VALUE SELECT c.%[5]s FROM %[2]s c WHERE %[6]s FOR SHARE
      ON CONFLICT DO NOTHING;
    n := n + 1;
    IF n %% 1000 = 0 THEN
      %[7]s
      PERFORM set_config('session_replication_role', 'replica', true);
    END IF;
  END LOOP;
END
`, sqltext.Idents(m.key), m.from.SQL(), m.to.SQL(), strings.Join(columns, ", "), strings.Join(columns, ", c."),
		m.sameKey("c", "k"), commits))
}
