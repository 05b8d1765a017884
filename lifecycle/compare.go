package lifecycle

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// Rows are the same when they print the same: 1.0 is not 1.00, and types without an
// equality can be compared.

// text is a whole row of the compared columns as one value.
func (l *loaded) text(alias string) string { return "ROW(" + columns(alias, l.columns) + ")::text" }

// same is the condition that a row of the table, x, and one of the export, f, are the same
// by their key.
func (l *loaded) same() string { return joined("x", l.key, "f", l.key) }

// absent is the condition on a row x of the table that the export has none of its key, and
// missing that on a row f of the export that the tenant has none.
func (l *loaded) absent() string {
	return "NOT EXISTS (SELECT 1 FROM " + temp(l) + " f WHERE " + l.same() + ")"
}

func (l *loaded) missing() string {
	return "NOT EXISTS (SELECT 1 FROM " + l.from() + " WHERE " + l.same() + " AND " + l.where() + ")"
}

// numbered are rows without a key: equal ones are told apart by counting them.
func (l *loaded) numbered() (today, then string) {
	today = "SELECT x.tableoid AS t, x.ctid AS c, " + l.text("x") + " AS r, row_number() OVER (PARTITION BY " +
		l.text("x") +
		") AS n FROM " + l.from() + " WHERE " + l.where()
	then = "SELECT f.*, " + l.text("f") + " AS moat_r, row_number() OVER (PARTITION BY " + l.text("f") +
		") AS moat_n FROM " +
		temp(l) + " f"
	return today, then
}

// compare counts what would change.
func (x *restore) compare(ctx context.Context) error {
	for _, l := range x.tables {
		sql := "SELECT (SELECT count(*) FROM " + temp(l) + " f WHERE " + l.missing() + "), (SELECT count(*) FROM " +
			l.from() +
			" JOIN " + temp(l) + " f ON " + l.same() + " WHERE " + l.where() + " AND " + l.text("x") + " <> " + l.text("f") +
			"), (SELECT count(*) FROM " + l.from() + " WHERE " + l.where() + " AND " + l.absent() + ")"
		if l.key == nil {
			today, then := l.numbered()
			pairs := "(" + today + ") a FULL JOIN (" + then + ") b ON a.r = b.moat_r AND a.n = b.moat_n"
			sql = "SELECT count(*) FILTER (WHERE r IS NULL), 0::bigint, count(*) FILTER (WHERE moat_r IS NULL) FROM " + pairs
		}
		if err := x.tx.QueryRow(ctx, sql).Scan(&l.changes.Add, &l.changes.Change, &l.changes.Remove); err != nil {
			return fmt.Errorf("compare the rows of %s: %w", l.name(), err)
		}
	}
	return x.taken(ctx)
}

// taken refuses rows whose key another tenant has by now, and those that lack a value.
func (x *restore) taken(ctx context.Context) error {
	var reasons []string
	for _, l := range x.tables {
		if len(l.lacks) > 0 && l.changes.Add > 0 {
			reasons = append(reasons, fmt.Sprintf("%s: %s to be added, and the export has no value for %s, which is new and "+
				"has no default", l.name(), english.Count(l.changes.Add, "row is", "rows are"), quotedList(l.lacks)))
		}
		if l.key == nil {
			continue
		}
		var n int64
		err := x.tx.QueryRow(ctx, "SELECT count(*) FROM "+temp(l)+" f JOIN "+l.from()+" ON "+l.same()+" WHERE ("+l.where()+
			") IS NOT TRUE").Scan(&n)
		if err != nil {
			return fmt.Errorf("compare the keys of %s: %w", l.name(), err)
		}
		// A child whose parent is gone belongs to nobody; one whose parent is there is another's.
		if n > 0 {
			reasons = append(reasons, fmt.Sprintf("%s: %d keys are those of rows that are not the tenant's today", l.name(), n))
		}
	}
	if len(reasons) > 0 {
		return &RefusedError{reasons}
	}
	return nil
}

// apply writes the changes: what nothing refers to goes first, so that its unique values
// are free; then rows are changed and added, what is referred to before what refers; then
// the rest goes, but for what is still referred to.
func (x *restore) apply(ctx context.Context) error {
	groups := x.loadedGroups()
	restoreTriggers, err := x.triggers(ctx)
	if err != nil {
		return err
	}
	if _, err := x.tx.Exec(ctx, "SET CONSTRAINTS ALL DEFERRED"); err != nil {
		return err
	}
	steps := []func(context.Context, []group) error{x.removeAbsent, x.writeRows, x.removeAbsent}
	for _, step := range steps {
		if err := step(ctx, groups); err != nil {
			return err
		}
	}
	if _, err := x.tx.Exec(ctx, "SET CONSTRAINTS ALL IMMEDIATE"); err != nil {
		return fmt.Errorf("check the keys: %w", err)
	}
	if err := restoreTriggers(ctx); err != nil {
		return err
	}
	if err := x.verify(ctx); err != nil {
		return err
	}
	if err := x.sequences(ctx); err != nil {
		return err
	}
	if x.opts.RevokeCertificate {
		_, err = x.tx.Exec(ctx, "UPDATE moat.certificate SET revoked_at = clock_timestamp(), revoked_by = $2, "+
			"revoked_for = $3 "+
			"WHERE tenant = $1 AND revoked_at IS NULL", x.tenant, x.by.Name, x.by.Reason)
	}
	return err
}

// loadedGroups are the groups of tables that the export has, referred-to first.
func (x *restore) loadedGroups() []group {
	parts := list.Map(x.tables, func(l *loaded) *part { return l.part })
	return ordered(x.view, parts)
}

func (x *restore) of(p *part) *loaded {
	return x.tables[slices.IndexFunc(x.tables, func(l *loaded) bool { return l.part == p })]
}

// writeRows changes and adds rows. Those of a cycle are written by one statement, at whose
// end their keys are checked.
func (x *restore) writeRows(ctx context.Context, groups []group) error {
	for _, g := range groups {
		var statements []string
		for _, p := range g.parts {
			statements = append(statements, x.of(p).change(), x.of(p).add())
		}
		statements = slices.DeleteFunc(statements, func(sql string) bool { return sql == "" })
		if g.cyclic {
			statements = []string{together(statements)}
		}
		err := x.atOnce(ctx, statements)
		if sqlState(err) == uniqueViolation {
			err = x.atOnce(ctx, append(x.waysOut(g), statements...))
		}
		if err != nil {
			return fmt.Errorf("write the rows of %s: %w", names(g), err)
		}
	}
	return nil
}

const uniqueViolation = "23505"

// atOnce runs statements as one that fails as a whole.
func (x *restore) atOnce(ctx context.Context, statements []string) error {
	return pgx.BeginFunc(ctx, x.tx, func(tx pgx.Tx) error {
		for _, sql := range statements {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	})
}

// waysOut are statements for rows that have swapped a unique value since: PostgreSQL checks
// each row as it is written, so that the values first have to be out of each other's way.
func (x *restore) waysOut(g group) (all []string) {
	for _, p := range g.parts {
		l := x.of(p)
		var set []string
		for i := range l.table.Indexes {
			for _, name := range l.table.Indexes[i].Columns() {
				if value := x.wayOut(l, name); value != "" && l.table.Indexes[i].Unique &&
					!slices.Contains(set, sqltext.Ident(name)+" = "+value) {
					set = append(set, sqltext.Ident(name)+" = "+value)
				}
			}
		}
		if len(set) > 0 {
			all = append(all, l.update(set))
		}
	}
	return all
}

// wayOut is a value that a column of no other row has, "" where none is known.
func (x *restore) wayOut(l *loaded, name string) string {
	c := l.table.Column(name)
	if c == nil || slices.Contains(l.key, name) || !slices.Contains(l.columns, name) ||
		name == x.view.TenantColumn(l.table) {
		return ""
	}
	switch typ := x.view.BaseType(c.Type); {
	case !c.NotNull:
		return "NULL"
	case typ == "text", strings.HasPrefix(typ, "character varying"):
		return "gen_random_uuid()::text || '@moat.invalid'" // passes for an address, where one is asked for
	case typ == "uuid":
		return "gen_random_uuid()"
	}
	return ""
}

func names(g group) string {
	return list.Join(g.parts, " and ", func(p *part) string { return p.name().String() })
}

func together(statements []string) string {
	with := make([]string, len(statements))
	for i, sql := range statements {
		with[i] = fmt.Sprintf("s%d AS (%s)", i, sql)
	}
	return "WITH " + strings.Join(with, ", ") + " SELECT 1"
}

// change updates the rows that differ; "" where nothing but the key could.
func (l *loaded) change() string {
	set := list.Pick(l.columns, func(name string) (string, bool) {
		return sqltext.Ident(name) + " = f." + sqltext.Ident(name),
			!slices.Contains(l.key, name) && l.table.Column(name).Identity != "always"
	})
	if len(l.key) == 0 || len(set) == 0 {
		return ""
	}
	return l.update(set)
}

// update sets columns of the rows that differ.
func (l *loaded) update(set []string) string {
	return "UPDATE " + l.from() + " SET " + strings.Join(set, ", ") + " FROM " + temp(l) + " f WHERE " + l.same() +
		" AND " +
		l.where() + " AND " + l.text("x") + " <> " + l.text("f")
}

// add inserts the rows that the tenant has not.
func (l *loaded) add() string {
	from, where := temp(l)+" f", l.missing()
	if l.key == nil {
		today, then := l.numbered()
		from = "(" + then + ") f"
		where = "NOT EXISTS (SELECT 1 FROM (" + today + ") a WHERE a.r = f.moat_r AND a.n = f.moat_n)"
	}
	return "INSERT INTO " + l.name().SQL() + " (" + sqltext.Idents(l.columns) +
		") OVERRIDING SYSTEM VALUE SELECT " + columns("f", l.columns) + " FROM " + from + " WHERE " + where
}

// removeAbsent deletes rows that the export has not, but for those to which a row refers
// that stays: deleting those would change a row of somebody else, or fail.
func (x *restore) removeAbsent(ctx context.Context, groups []group) error {
	for _, g := range slices.Backward(groups) {
		if err := x.removeGroup(ctx, g); err != nil {
			return fmt.Errorf("remove rows of %s: %w", names(g), err)
		}
	}
	return nil
}

// removeGroup lists the rows that would go, takes from the list what a row refers to that
// is not on it, until nothing changes, and deletes what is left in one statement.
func (x *restore) removeGroup(ctx context.Context, g group) error {
	var statements []string
	for _, p := range g.parts {
		l := x.of(p)
		if _, err := x.tx.Exec(ctx, "CREATE TEMPORARY TABLE "+l.goes()+" ON COMMIT DROP AS "+l.surplus()); err != nil {
			return err
		}
		statements = append(statements, "DELETE FROM "+l.from()+" USING pg_temp."+l.goes()+
			" g WHERE x.tableoid = g.t AND x.ctid = g.c AND "+l.where())
	}
	for pruned := int64(1); pruned > 0; {
		pruned = 0
		for _, p := range g.parts {
			for _, sql := range x.pruning(g, x.of(p)) {
				tag, err := x.tx.Exec(ctx, sql)
				if err != nil {
					return err
				}
				pruned += tag.RowsAffected()
			}
		}
	}
	sql := statements[0]
	if g.cyclic {
		sql = together(statements)
	}
	if _, err := x.tx.Exec(ctx, sql); err != nil {
		return err
	}
	for _, p := range g.parts {
		if _, err := x.tx.Exec(ctx, "DROP TABLE pg_temp."+x.of(p).goes()); err != nil {
			return err
		}
	}
	return nil
}

// goes is the temporary table of the rows that go, by where they are.
func (l *loaded) goes() string { return l.temp + "_goes" }

// surplus selects the rows that the export has not.
func (l *loaded) surplus() string {
	if l.key != nil {
		return "SELECT x.tableoid AS t, x.ctid AS c FROM " + l.from() + " WHERE " + l.where() + " AND " + l.absent()
	}
	today, then := l.numbered()
	return "SELECT a.t, a.c FROM (" + today + ") a WHERE NOT EXISTS (SELECT 1 FROM (" + then +
		") b WHERE b.moat_r = a.r AND b.moat_n = a.n)"
}

// pruning takes from the list the rows to which a row refers that stays.
func (x *restore) pruning(g group, l *loaded) (all []string) {
	for _, k := range links(x.view, []*part{l.part}) {
		staying := ""
		if from := find(x.view, g.parts, k.from.QName()); from != nil {
			staying = " AND NOT EXISTS (SELECT 1 FROM pg_temp." + x.of(from).goes() +
				" h WHERE h.t = r.tableoid AND h.c = r.ctid)"
		}
		all = append(all, "DELETE FROM pg_temp."+l.goes()+" g USING "+strings.TrimPrefix(l.from(), "ONLY ")+
			" WHERE x.tableoid = g.t AND x.ctid = g.c AND EXISTS (SELECT 1 FROM "+k.from.QName().SQL()+" r WHERE "+
			joined("r", k.key.Columns, "x", k.key.RefColumns)+staying+")")
	}
	return all
}

// verify compares what is there now with the export, before anything is committed.
func (x *restore) verify(ctx context.Context) error {
	for _, l := range x.tables {
		c := &l.changes
		if l.key == nil {
			if err := x.verifyCounts(ctx, l); err != nil {
				return err
			}
			continue
		}
		var lost int64
		sql := "SELECT (SELECT count(*) FROM " + temp(l) + " f WHERE " + l.missing() + "), (SELECT count(*) FROM " +
			l.from() +
			" JOIN " + temp(l) + " f ON " + l.same() + " WHERE " + l.where() + " AND " + l.text("x") + " <> " + l.text("f") +
			"), (SELECT count(*) FROM " + l.from() + " WHERE " + l.where() + " AND " + l.absent() + ")"
		if err := x.tx.QueryRow(ctx, sql).Scan(&lost, &c.Altered, &c.Kept); err != nil {
			return fmt.Errorf("verify the rows of %s: %w", l.name(), err)
		}
		if lost > 0 {
			return fmt.Errorf("%s: %d rows of the export did not become the tenant's: their parent is another's, or a trigger "+
				"or rule kept them out", l.name(), lost)
		}
		if err := x.verifyParents(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

func (x *restore) verifyCounts(ctx context.Context, l *loaded) error {
	today, then := l.numbered()
	var lost int64
	err := x.tx.QueryRow(ctx, "SELECT count(*) FILTER (WHERE r IS NULL), count(*) FILTER (WHERE moat_r IS NULL) FROM ("+
		today+") a FULL JOIN ("+then+") b ON a.r = b.moat_r AND a.n = b.moat_n").Scan(&lost, &l.changes.Kept)
	if err != nil {
		return fmt.Errorf("verify the rows of %s: %w", l.name(), err)
	}
	if lost > 0 && len(l.table.Triggers) == 0 {
		return fmt.Errorf("%s: %d rows of the export did not become the tenant's: their parent is another's", l.name(), lost)
	}
	l.changes.Altered = lost
	return nil
}

// verifyParents refuses rows that one path of several leads to another tenant.
func (x *restore) verifyParents(ctx context.Context, l *loaded) error {
	t := x.view.Table(l.name())
	if t == nil || len(t.Paths) < 2 || l.owned != nil {
		return nil
	}
	for _, path := range t.Paths {
		var n int64
		step := path[0]
		err := x.tx.QueryRow(ctx, "SELECT count(*) FROM "+temp(l)+" x JOIN "+step.To.SQL()+" p ON "+
			joined("p", step.RefColumns, "x", step.Columns)+" WHERE NOT "+reaches(x.view, path, "x", x.tenant)).Scan(&n)
		if err != nil {
			return fmt.Errorf("verify the parents of %s: %w", l.name(), err)
		}
		if n > 0 {
			return &RefusedError{[]string{fmt.Sprintf("%s: %d rows refer to another tenant's %s", l.name(), n, step.To)}}
		}
	}
	return nil
}

// switched are the team's triggers on a table that do not fire.
func (x *restore) switched(l *loaded) (all []catalog.Trigger) {
	for _, t := range l.table.Triggers {
		if x.opts.WithoutTriggers && t.Function.Schema != "moat" && t.Enabled != "disabled" && !t.Inherited {
			all = append(all, t)
		}
	}
	return all
}

// maySwitch checks that the triggers can be switched off, before the tenant is suspended.
func (x *restore) maySwitch() error {
	role := x.conn.Config().User
	e := &MissingRightsError{Role: role}
	for _, l := range x.tables {
		grant := "GRANT " + sqltext.Role(l.table.Owner) + " TO " + sqltext.Role(role)
		if len(x.switched(l)) > 0 && !x.view.MemberOf(role, l.table.Owner, catalog.Usage) &&
			!slices.Contains(e.Grants, grant) {
			e.Grants = append(e.Grants, grant)
		}
	}
	if len(e.Grants) > 0 {
		return e
	}
	return nil
}

// triggers switches the team's triggers off, where that is asked for, and returns what
// switches them on again.
func (x *restore) triggers(ctx context.Context) (again func(context.Context) error, err error) {
	var off, on []string
	for _, l := range x.tables {
		for _, t := range x.switched(l) {
			alter := "ALTER TABLE " + l.name().SQL() + " "
			name := " TRIGGER " + sqltext.Ident(t.Name)
			off = append(off, alter+"DISABLE"+name)
			on = append(on, alter+map[string]string{"always": "ENABLE ALWAYS", "replica": "ENABLE REPLICA"}[t.Enabled]+name)
			if t.Enabled == "origin" {
				on[len(on)-1] = alter + "ENABLE" + name
			}
		}
	}
	run := func(ctx context.Context, all []string) error {
		for _, sql := range all {
			if _, err := x.tx.Exec(ctx, sql); err != nil {
				return fmt.Errorf("switch triggers: %w", err)
			}
		}
		return nil
	}
	return func(ctx context.Context) error { return run(ctx, on) }, run(ctx, off)
}

// sequences moves the sequences of restored columns past the highest value, never back.
func (x *restore) sequences(ctx context.Context) error {
	for s := range catalog.Each(x.view.Snapshot.Relations) {
		if s.OwnedBy == nil {
			continue
		}
		j := slices.IndexFunc(x.tables, func(l *loaded) bool { return l.name() == s.OwnedBy.Relation })
		if j < 0 || !slices.Contains(x.tables[j].columns, s.OwnedBy.Column) {
			continue
		}
		_, err := x.tx.Exec(ctx, "SELECT setval("+sqltext.Literal(s.QName().SQL())+"::regclass, m) FROM (SELECT max("+
			sqltext.Ident(s.OwnedBy.Column)+")::bigint AS m FROM "+temp(x.tables[j])+") t, "+s.QName().SQL()+
			" q WHERE m > q.last_value")
		if err != nil {
			return fmt.Errorf("move the sequence %s: %w", s.QName(), err)
		}
	}
	return nil
}
