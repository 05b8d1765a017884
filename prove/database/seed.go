package database

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
)

// A sower makes rows that the schema accepts: it starts from a real row where
// there is one, else from the types, solves CHECK constraints by letting the server
// evaluate them over candidate values, plants the parents first, and mends what the
// server's error names.
type sower struct {
	p       *prover
	s       *session
	maker   *maker
	solved  map[catalog.QName][]row
	growing map[catalog.QName]bool // being planted: breaks cycles of references
	small   map[catalog.QName]bool // tables whose numbers must be small
}

func newSower(p *prover, s *session) *sower {
	return &sower{p: p, s: s, maker: newMaker(p.view.Snapshot), solved: map[catalog.QName][]row{},
		growing: map[catalog.QName]bool{}, small: map[catalog.QName]bool{}}
}

// party is a tenant with the tag of its texts.
type party struct {
	tenant string
	who    rune
}

func (p *prover) parties() (a, b party) { return party{p.a, tagA}, party{p.b, tagB} }

// spare makes a row of the tenant that is not inserted: valid, and equal to no
// other in any unique constraint.
func (w *sower) spare(ctx context.Context, st *site, by party, base row, variant int) (row, error) {
	refs := row{}
	if base == nil || variant > 0 { // a real row has its parents
		var err error
		if refs, err = w.references(ctx, st, by, variant); err != nil {
			return nil, err
		}
	}
	if base != nil && st.staged {
		w.partners(ctx, st, by, refs)
	} else if base != nil && slices.ContainsFunc(st.rel.Constraints, st.distinguishes) {
		return nil, errors.New("a key holds references only, and a parent for another row must be planted first")
	}
	r := row{}
	checks := w.assignment(ctx, st, variant)
	for c := range catalog.Each(st.rel.Columns) {
		if c.Generated != "" {
			continue
		}
		v, ok := w.cell(st, c, by, base, checks, variant)
		if ref, is := refs[c.Name]; is && c.Name != st.tenant {
			v, ok = ref, true
		}
		if ok {
			r[c.Name] = v
		} else if c.Default == "" && c.NotNull {
			return nil, fmt.Errorf("no value is known for column %s of type %s", c.Name, c.Type)
		}
	}
	if w.small[st.rel.QName()] || st.computes() {
		w.lessen(st, r)
	}
	return r, nil
}

// computes says whether a column is computed of others, whose values it may not take.
func (t *target) computes() bool {
	return slices.ContainsFunc(t.rel.Columns, func(c catalog.Column) bool { return c.Generated != "" })
}

// partners gives references that must be unique (one profile for each user, or each tag
// once on a post) a parent of their own.
func (w *sower) partners(ctx context.Context, st *site, by party, refs row) {
	for _, c := range st.rel.Constraints {
		parent := w.p.siteOf(c.References)
		if c.Type != catalog.ForeignKey || parent == nil || !parent.isTable() || parent.class == catalog.TenantsTable ||
			!st.distinguishes(c) || c.References == st.rel.QName() {
			continue
		}
		of := by
		if !parent.owned() {
			of.who = tagC // a row for everyone
		}
		r, err := w.plant(ctx, parent, of, nil, 0)
		if err != nil {
			continue
		}
		for i, name := range c.Columns {
			if name != st.tenant {
				refs[name] = r[c.RefColumns[i]]
			}
		}
	}
}

// distinguishes says whether a reference must differ from row to row: it is unique, or the
// first reference of a unique key in which nothing else may take any value.
func (t *target) distinguishes(c catalog.Constraint) bool {
	if c.Type != catalog.ForeignKey {
		return false
	}
	return slices.ContainsFunc(c.Columns, t.single) || slices.ContainsFunc(t.rel.Indexes, func(i catalog.Index) bool {
		own := slices.DeleteFunc(i.Columns(), func(n string) bool { return n == t.tenant })
		at := slices.IndexFunc(own, t.referencing)
		return i.Unique && at >= 0 && slices.Contains(c.Columns, own[at]) && !slices.ContainsFunc(own, t.free)
	})
}

// free says whether a column may take any value of its type, of which there are many.
func (t *target) free(name string) bool {
	c := t.column(name)
	return c == nil || !t.referencing(name) && varied(c) && c.TypeName.Name != "bool" &&
		(c.TypeName.Schema == "pg_catalog" || c.TypeName.Name == "citext") &&
		!slices.ContainsFunc(t.rel.Constraints, func(k catalog.Constraint) bool {
			return k.Type == catalog.Check && mentions(k.Definition, name)
		})
}

// single says whether a referencing column is unique by itself, or within a tenant.
func (t *target) single(column string) bool {
	return column != t.tenant && t.referencing(column) && slices.ContainsFunc(t.rel.Indexes, func(i catalog.Index) bool {
		return i.Unique && !slices.ContainsFunc(i.Keys, func(k catalog.IndexKey) bool {
			return k.Column != column &&
				k.Column != t.tenant
		})
	})
}

// cell picks a column's value; ok is false to leave it to its default.
func (w *sower) cell(st *site, c *catalog.Column, by party, base, checks row, variant int) (string, bool) {
	if c.Name == st.tenant {
		return by.tenant, true
	}
	if v, ok := checks[c.Name]; ok && base == nil && variant == 0 {
		return v, true
	}
	old, has := base[c.Name]
	unique := st.unique(c.Name)
	if has && !unique && (variant == 0 || st.constrained(c.Name) || c.NotNull && !varied(c)) {
		return old, true
	}
	if v, ok := w.partitionValue(st, c, variant); ok {
		return v, true
	}
	if has && old == null && unique {
		return null, true
	}
	if variant == variants-1 && !c.NotNull && !unique {
		return null, true
	}
	if constants := w.constants(st, c); len(constants) > 0 && variant > 0 {
		// The first variants take the first constants together: conditions over
		// several columns hold for them. A unique column takes each once.
		if variant <= len(constants) {
			return constants[variant-1], true
		}
		if i := variant % (len(constants) + 1); !unique && i < len(constants) {
			return constants[i], true
		}
	}
	if v, ok := checks[c.Name]; ok && (v != null || !has) {
		return v, true // NULL fits what the checks want of a new row, and not those of this one
	}
	if v, ok := w.maker.value(c, by.who, variant); ok {
		return v, true
	}
	if has && !unique {
		return old, true
	}
	return null, !c.NotNull
}

// varied says whether a not-null column of the type may differ between variants.
func varied(c *catalog.Column) bool {
	switch c.TypeName.Name {
	case "bool", "text", "varchar", "date", "timestamp", "timestamptz", "int4", "int8", "int2", "citext":
		return true
	}
	return c.TypeName.Schema != "pg_catalog"
}

// unique says whether a column must differ from row to row, or may have to.
func (t *target) unique(column string) bool {
	if column == t.tenant {
		return false
	}
	for _, i := range t.rel.Indexes {
		if !i.Unique {
			continue
		}
		for _, k := range i.Keys {
			if k.Column == column && !t.referencing(column) || k.Column == "" && mentions(k.Expression, column) {
				return true
			}
		}
	}
	return slices.ContainsFunc(t.rel.Constraints, func(c catalog.Constraint) bool {
		return c.Type == catalog.Exclude && mentions(c.Definition, column) && !t.referencing(column)
	})
}

// referencing says whether a column is part of a foreign key.
func (t *target) referencing(column string) bool {
	return slices.ContainsFunc(t.rel.Constraints, func(c catalog.Constraint) bool {
		return c.Type == catalog.ForeignKey && slices.Contains(c.Columns, column)
	})
}

// constants are values that policies, views' conditions and partial indexes compare
// the column with: a policy that opens published rows shows only if one is published.
func (w *sower) constants(st *site, c *catalog.Column) []string {
	var out []string
	texts := []string{}
	for _, p := range st.rel.Policies {
		for _, e := range []*catalog.Expr{p.Using, p.Check} {
			if e != nil {
				texts = append(texts, e.Text)
			}
		}
	}
	for _, d := range w.p.view.ReadBy(st.rel.QName()) {
		if v := w.p.view.Relation(d.From); v != nil && d.Rule == "_RETURN" {
			texts = append(texts, v.Definition)
		}
	}
	for _, text := range texts {
		if mentions(text, c.Name) {
			out = append(out, w.wanted(c, text)...)
		}
	}
	for _, text := range texts {
		if mentions(text, c.Name) {
			out = append(out, w.fitting(c, mined(text))...)
		}
	}
	return slices.DeleteFunc(once(out), func(v string) bool { return v == "" || v == w.p.model.Setting })
}

// errCircle is of a row that must refer to one that must refer to it, through other tables perhaps.
var errCircle = errors.New("it refers to itself through other tables")

// plant inserts a row of the tenant as the operator and returns it as stored.
func (w *sower) plant(ctx context.Context, st *site, by party, base row, variant int) (row, error) {
	q := st.rel.QName()
	if w.growing[q] {
		return nil, errCircle
	}
	if why := w.p.outside.writing(st.rel); why != "" && !w.p.Disposable {
		return nil, fmt.Errorf("no row is planted: %s", why)
	}
	w.growing[q] = true
	defer delete(w.growing, q)
	r, err := w.spare(ctx, st, by, base, variant)
	if err != nil {
		return nil, err
	}
	quiet := false
	for try := 0; ; try++ {
		stored, err := w.insert(ctx, st, by, r, quiet)
		if err == nil {
			return stored, nil
		}
		var pg *pgconn.PgError
		if !errors.As(err, &pg) || try >= 80 {
			return nil, err
		}
		if w.mend(ctx, st, by, r, pg, variant+try+1) {
			continue
		}
		if quiet && base == nil {
			return nil, err
		}
		if quiet { // a check of the schema's own may refuse values that a row has already
			base = nil
			if r, err = w.spare(ctx, st, by, nil, variant); err != nil {
				return nil, err
			}
		}
		quiet = true
	}
}

// sow is the INSERT of a row with all that is known of it, as the operator.
func (t *target) sow(r row) string {
	cols := slices.DeleteFunc(t.columns(), func(c string) bool { _, ok := r[c]; return !ok })
	return "INSERT INTO " + t.sql() + " (" + sqltext.Idents(cols) + ") OVERRIDING SYSTEM VALUE VALUES (" + r.values(cols) +
		")"
}

// insert runs the INSERT; quiet leaves triggers and reference checks out.
func (w *sower) insert(ctx context.Context, st *site, by party, r row, quiet bool) (row, error) {
	texts := make([]string, 0, len(st.rel.Columns))
	for _, c := range st.columns() {
		texts = append(texts, sqltext.Ident(c)+"::text AS "+sqltext.Ident(c))
	}
	made := seed{table: st.rel.QName(), quiet: quiet, insert: st.sow(r)}
	run := seed{insert: made.insert + " RETURNING " + strings.Join(texts, ", "), quiet: quiet}
	results, err := w.s.guarded(ctx, run.statements()...)
	if err != nil {
		return nil, err
	}
	for _, res := range results {
		if len(res.rows) > 0 {
			made.row = asRows(res)[0]
			w.s.seeds.add(made)
			return made.row, nil
		}
	}
	return nil, fmt.Errorf("the row was swallowed by a trigger or rule")
}

// mend changes the row after an error; false when it knows nothing to change.
func (w *sower) mend(ctx context.Context, st *site, by party, r row, pg *pgconn.PgError, variant int) bool {
	switch pg.Code {
	case codeUnique, codeExclusion:
		return w.renew(st, by, r, pg.ConstraintName, variant) || w.reparent(ctx, st, by, r, pg.ConstraintName)
	case codeRange:
		return w.lessen(st, r)
	case codeNotNull:
		c := st.column(pg.ColumnName)
		if c == nil || c.Name == st.tenant || r[c.Name] != "" && r[c.Name] != null {
			return false // a trigger took the value away
		}
		v, ok := w.maker.value(c, by.who, variant)
		r[c.Name] = v
		return ok
	case codeCheck:
		if pg.ConstraintName == "" || st.rel.Partition {
			if w.repartition(st, by, r, variant) {
				return true
			}
		}
		changed := false
		for name, v := range w.assignment(ctx, st, variant) {
			if name != st.tenant && r[name] != v {
				r[name], changed = v, true
			}
		}
		return changed
	}
	return false
}

// reparent gives a reference that must be unique a parent of its own.
func (w *sower) reparent(ctx context.Context, st *site, by party, r row, unique string) bool {
	var columns []string
	for _, i := range st.rel.Indexes {
		if i.Name == unique {
			columns = st.columnsOf(i.Keys)
		}
	}
	changed := false
	for _, c := range st.rel.Constraints {
		parent := w.p.siteOf(c.References)
		if c.Type != catalog.ForeignKey || parent == nil || parent.class == catalog.TenantsTable ||
			!slices.ContainsFunc(c.Columns, func(n string) bool { return n != st.tenant && slices.Contains(columns, n) }) {
			continue
		}
		if !parent.owned() {
			by.who = tagC // a row for everyone
		}
		fresh, err := w.plant(ctx, parent, by, nil, 0)
		for i, n := range c.Columns {
			if err == nil && n != st.tenant {
				r[n], changed = fresh[c.RefColumns[i]], true
			}
		}
	}
	return changed
}

// lessen makes the numbers of a row small: something is computed of them, which does not
// fit its type. False when they are small already.
func (w *sower) lessen(st *site, r row) bool {
	changed := false
	w.small[st.rel.QName()] = true
	for c := range catalog.Each(st.rel.Columns) {
		v, has := r[c.Name]
		if !has || v == null || c.Name == st.tenant || st.referencing(c.Name) || w.kind(c) != "number" || len(v) <= 4 {
			continue
		}
		w.maker.n++
		r[c.Name], changed = strconv.Itoa(5000+w.maker.n%5000), true
	}
	return changed
}

// renew gives the columns of a unique or exclusion constraint new values.
func (w *sower) renew(st *site, by party, r row, constraint string, variant int) bool {
	var definition string
	for _, i := range st.rel.Indexes {
		if i.Name == constraint {
			definition = i.Definition
		}
	}
	for _, c := range st.rel.Constraints {
		if c.Name == constraint {
			definition = c.Definition
		}
	}
	changed := false
	for c := range catalog.Each(st.rel.Columns) {
		if c.Name == st.tenant || c.Generated != "" || st.referencing(c.Name) || definition != "" &&
			!mentions(definition, c.Name) {
			continue
		}
		if v, ok := w.maker.value(c, by.who, variant); ok && st.unique(c.Name) {
			r[c.Name], changed = v, true
		}
	}
	return changed
}

// references picks the values of foreign key columns: a parent of the same tenant,
// planted if there is none.
func (w *sower) references(ctx context.Context, st *site, by party, variant int) (row, error) {
	out := row{}
	for _, c := range st.rel.Constraints {
		if c.Type != catalog.ForeignKey || len(c.Columns) != len(c.RefColumns) {
			continue
		}
		parent, err := w.parent(ctx, st, c, by)
		if err == errCircle && !optional(st, c) {
			continue // any value: once references are checked no first row could be made, so plant leaves the checks out
		}
		if err != nil {
			if !optional(st, c) {
				return nil, fmt.Errorf("no row of %s to refer to: %w", c.References, err)
			}
			parent = nil
		}
		for i, name := range c.Columns {
			switch {
			case name == st.tenant:
			case parent == nil && c.References == st.rel.QName():
				// A row may refer to itself; cell makes the key, so NULL where it may be.
				if !st.column(name).NotNull {
					out[name] = null
				}
			case parent == nil:
				out[name] = null
			default:
				out[name] = parent[c.RefColumns[i]]
			}
		}
	}
	return out, nil
}

// optional says whether a reference may be left empty.
func optional(st *site, c catalog.Constraint) bool {
	return slices.ContainsFunc(c.Columns, func(n string) bool {
		col := st.column(n)
		return n != st.tenant && col != nil && !col.NotNull
	}) || c.References == st.rel.QName()
}

func (w *sower) parent(ctx context.Context, st *site, c catalog.Constraint, by party) (row, error) {
	if c.References == st.rel.QName() {
		return nil, nil
	}
	parent := w.p.siteOf(c.References)
	if parent == nil {
		return w.anyRow(ctx, c, w.stranger(c, by))
	}
	if rows := parent.rowsFor(by); len(rows) > 0 {
		return rows[0], nil
	}
	if !parent.owned() {
		if r, err := w.anyRow(ctx, c, w.stranger(c, by)); err == nil {
			return r, nil
		}
	}
	if !parent.owned() {
		by.who = tagC // a row for everyone
	}
	r, err := w.plant(ctx, parent, by, nil, 0)
	if err == nil && parent.owned() {
		parent.remember(by, r)
	}
	return r, err
}

// stranger is the condition that what a row of one tenant refers to is not who acts for the
// other, to whom their own rows and those of tenants that they are a member of belong.
func (w *sower) stranger(to catalog.Constraint, by party) string {
	other := w.p.a
	if by.tenant == w.p.a {
		other = w.p.b
	}
	caller := w.p.people[other].subject
	if caller == "" || len(to.RefColumns) != 1 {
		return "true"
	}
	return sqltext.Ident(to.RefColumns[0]) + "::text <> " + lit(caller)
}

// anyRow reads some row that a foreign key may lead to, of a table that belongs to no tenant.
func (w *sower) anyRow(ctx context.Context, to catalog.Constraint, where string) (row, error) {
	texts := list.Map(to.RefColumns, func(c string) string { return sqltext.Ident(c) + "::text AS " + sqltext.Ident(c) })
	results, err := w.s.guarded(ctx, "SELECT "+strings.Join(texts, ", ")+" FROM "+table(to.References)+" WHERE "+where+
		" LIMIT 1")
	if err != nil {
		return nil, err
	}
	rows := asRows(results[0])
	if len(rows) == 0 {
		return nil, fmt.Errorf("%s is empty", to.References)
	}
	return rows[0], nil
}

// siteOf finds the site of a relation that is attacked, nil for others.
func (p *prover) siteOf(q catalog.QName) *site {
	if t := p.byName[q]; t != nil {
		return p.sites[t]
	}
	return nil
}

func (st *site) rowsFor(by party) []row {
	if by.who == tagA {
		return st.rowsA
	}
	return st.rowsB
}

// remember notes a planted row as one of the tenant's.
func (st *site) remember(by party, r row) {
	if by.who == tagA {
		st.rowsA = append(st.rowsA, r)
		return
	}
	st.rowsB = append(st.rowsB, r)
}
