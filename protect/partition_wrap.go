package protect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// wrap begins way B: the table becomes the DEFAULT partition of a new table of its name. No
// row moves.
func (w *partitioner) wrap() {
	q, rest := w.rel.QName(), w.rest()
	s := Step{Title: "make it the DEFAULT partition of a new table of its name", Kind: KindSwap, Lock: AccessExclusive,
		Reason: "no row moves; names, rights, policies, triggers, keys and views change hands in one transaction"}
	named := func(n string) catalog.QName { return catalog.QName{Schema: q.Schema, Name: sqltext.Name(n, "rest")} }
	w.keysStep()
	s.SQL = slices.Concat(w.locked(), w.dropKeys(), w.dropTriggers(q), w.ownSerials("NONE"),
		[]string{fmt.Sprintf("ALTER TABLE %s RENAME TO %s", q.SQL(), sqltext.Ident(rest.Name))},
		w.renameIndexes(q.Schema, same, suffixed("rest")), w.renameSequences(same, suffixed("rest")),
		[]string{like(q, rest, w.by())}, w.closed(q), w.indexes(q, same), w.foreignKeys(q), w.numbered(rest, q, named),
		[]string{attach(q, rest, "DEFAULT")}, w.ownSerials(q.SQL()), w.closed(rest), w.opened(), w.triggers(), w.addKeys(),
		w.views(), w.described())
	s.Undo = w.unwrap()
	w.step("wrap", s)
	for _, r := range w.References(q) {
		w.validateStep(r, "wrap")
	}
}

func attach(parent, part catalog.QName, bound string) string {
	return fmt.Sprintf("ALTER TABLE %s ATTACH PARTITION %s %s", parent.SQL(), part.SQL(), bound)
}

func detach(parent, part catalog.QName) string {
	return fmt.Sprintf("ALTER TABLE %s DETACH PARTITION %s", parent.SQL(), part.SQL())
}

func (w *partitioner) dropTriggers(q catalog.QName) (sql []string) {
	for _, g := range w.rel.Triggers {
		sql = append(sql, fmt.Sprintf("DROP TRIGGER %s ON %s", sqltext.Ident(g.Name), q.SQL()))
	}
	return sql
}

func (w *partitioner) renameSequences(from, to func(string) string) (sql []string) {
	for _, c := range w.rel.Columns {
		if i, ok := w.know.identity[c.Name]; ok {
			sql = append(sql, fmt.Sprintf("ALTER SEQUENCE %s RENAME TO %s", catalog.QName{Schema: w.rel.Schema,
				Name: from(i.Name)}.SQL(), sqltext.Ident(to(i.Name))))
		}
	}
	return sql
}

// unwrap gives the DEFAULT partition, which holds all rows by then, the table's name again.
// The new table is dropped by keysStep, when nobody is kept out.
func (w *partitioner) unwrap() []string {
	q, rest, staged := w.rel.QName(), w.rest(), w.staged()
	named := func(n string) catalog.QName { return catalog.QName{Schema: q.Schema, Name: sqltext.Name(n, "moat")} }
	return slices.Concat(w.locked(rest), w.dropKeys(),
		[]string{detach(q, rest)}, w.ownSerials("NONE"),
		[]string{fmt.Sprintf("ALTER TABLE %s RENAME TO %s", q.SQL(), sqltext.Ident(staged.Name))},
		w.renameIndexes(q.Schema, same, suffixed("moat")), w.renameSequences(same, suffixed("moat")),
		[]string{fmt.Sprintf("ALTER TABLE %s RENAME TO %s", rest.SQL(), sqltext.Ident(q.Name))},
		w.renameIndexes(q.Schema, suffixed("rest"), same), w.numbered(staged, q, named), w.ownSerials(q.SQL()),
		w.grantsTo(q), w.triggers(), w.views(), w.revokeFrom(staged), w.addKeys(), w.described())
}

// moveHot ends way B: the tenant's rows are copied to a table that a mirror keeps like
// them, and in one transaction deleted and attached.
func (w *partitioner) moveHot() {
	q, hot, rest := w.rel.QName(), w.own(), w.rest()
	m := w.mirrored(rest, hot)
	m.of = func(row string) string { return w.isHot(row) }
	w.hotStep(hot)
	w.step("mirror", Step{Title: "mirror writes to " + key(hot), SQL: m.create(),
		Undo: m.drop(), Needs: needed(w.id("table")), Lock: ShareRowExclusive,
		Hazards: []string{"each write of the tenant takes about twice as long until its partition is attached"},
		Reason:  "a row that is written while others are copied reaches both tables in one transaction"})
	w.copyStep(rest, hot, m.of)
	for _, x := range w.rel.Indexes {
		if late(x) {
			w.lateIndex(x, hot, w.id("copy"))
		}
	}
	w.step("swap", Step{Title: "attach " + key(hot) + " as the tenant's partition", Kind: KindSwap, Data: true,
		Check: m.differs("copy/" + key(q)), Needs: needed(w.id("copy"), w.readersStep()), Lock: AccessExclusive,
		Estimate: Estimate{Rows: w.know.hot, Seconds: int64(w.held().Seconds()) + 1},
		SQL: slices.Concat([]string{"LOCK TABLE " + q.SQL() + ", " + rest.SQL() + ", " + hot.SQL() +
			" IN ACCESS EXCLUSIVE MODE"}, m.drop(), movedUnseen("DELETE FROM "+rest.SQL()+" WHERE "+w.isHot(rest.SQL())),
			[]string{attach(q, hot, w.inTenant()), dropConstraint(hot, onlyHot), "DELETE FROM moat.state WHERE name = " +
				sqltext.Literal(goalName(q))}),
		Undo: slices.Concat(w.locked(rest), w.dropKeys(), []string{detach(q, hot)}, movedUnseen(fmt.Sprintf("INSERT INTO "+
			"%s (%s) OVERRIDING SYSTEM VALUE SELECT %[2]s FROM %[3]s", rest.SQL(), sqltext.Idents(w.written()), hot.SQL())),
			[]string{"TRUNCATE " + hot.SQL()}, w.addKeys(), w.described()),
		Hazards: []string{fmt.Sprintf("readers and writers of %s wait for about %s", key(q), w.held())},
		Reason:  "the rows that are deleted are those that are attached"})
}

const onlyHot = "moat_one_tenant"

func (w *partitioner) isHot(row string) string {
	return fmt.Sprintf("%s.%s = %s::%s", row, sqltext.Ident(w.t.column), w.know.literal, w.t.typ)
}

func (w *partitioner) hotStep(hot catalog.QName) {
	rest := w.rest()
	sql := append([]string{like(hot, rest, "")}, w.closed(hot)...)
	sql = append(sql, w.stored(hot)...)
	sql = append(sql, w.indexes(hot, suffixed(strings.TrimPrefix(hot.Name, w.rel.Name+"_")))...)
	sql = append(sql, w.foreignKeys(hot)...)
	// With it the rows need not be read again to be attached.
	sql = append(sql, fmt.Sprintf("ALTER TABLE %s ADD CONSTRAINT %s CHECK (%s IS NOT NULL AND %[3]s = %[4]s::%[5]s)",
		hot.SQL(), onlyHot, sqltext.Ident(w.t.column), w.know.literal, w.t.typ))
	w.step("table", Step{Title: "create " + key(hot), SQL: sql, Undo: w.dropNew(hot), Lock: ShareRowExclusive,
		Needs:  needed(w.id("wrap")),
		Reason: "it is closed to everybody: its rows are read through its parent"})
}

// movedUnseen runs a statement that moves rows between partitions: for triggers and foreign keys
// nothing has changed.
func movedUnseen(statement string) []string {
	return []string{"SET LOCAL session_replication_role = replica", statement,
		"SET LOCAL session_replication_role = origin"}
}

// moves reports whether rows can be moved between partitions unnoticed: by a superuser, and
// without triggers that fire even then.
func (w *partitioner) moves() bool {
	return w.user.Super && !slices.ContainsFunc(w.rel.Triggers, func(g catalog.Trigger) bool {
		return g.Enabled == "always" || g.Enabled == "replica"
	})
}
