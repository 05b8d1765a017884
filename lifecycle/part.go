package lifecycle

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// part is the rows of one table that belong to one tenant.
type part struct {
	table *catalog.Relation
	// how says in words what makes the rows the tenant's.
	how string
	// is writes the condition that a row of the table, under an alias, is the tenant's.
	is func(alias string) string
	// owned is set where the rows belong to whoever refers to them.
	owned *catalog.OwnedBy
	// via are the other tables that say which rows those are.
	via []catalog.QName
	// foreign rows are kept on another server.
	foreign bool
}

func (p *part) name() catalog.QName { return p.table.QName() }

// where is the condition with the table called x, as from calls it.
func (p *part) where() string { return p.is("x") }

// from is the table as it stands in FROM. Tables that inherit have rows, and a part, of
// their own; a partitioned table stands for all of its partitions.
func (p *part) from() string {
	if p.table.Kind == catalog.PartitionedTable {
		return p.name().SQL() + " x"
	}
	return "ONLY " + p.name().SQL() + " x"
}

// UndecidedError lists the tables of which nobody can tell whether they hold rows of the
// tenant. Nothing is done while there are any.
type UndecidedError struct{ Tables []string }

func (e *UndecidedError) Error() string {
	return "cannot tell whose rows these tables hold: " + strings.Join(e.Tables, ", ")
}

// parts lists where rows of a tenant are. A table that the model cannot class is an
// error: rows left out in silence are what hand-written lists end in.
func parts(v *policy.View, tenant string) ([]*part, error) {
	var all []*part
	var undecided []string
	for t := range catalog.Each(v.Model.Tables) {
		r := v.Relation(t.Table)
		if r == nil || r.Partition {
			continue
		}
		if t.Class == catalog.UnknownTable {
			undecided = append(undecided, t.Table.String())
			continue
		}
		if p := partOf(v, t, r, tenant); p != nil {
			all = append(all, p)
		}
	}
	if len(undecided) > 0 {
		return nil, &UndecidedError{undecided}
	}
	return all, nil
}

func partOf(v *policy.View, t *catalog.TableModel, r *catalog.Relation, tenant string) *part {
	p := &part{table: r, foreign: r.Kind == catalog.ForeignTable}
	if o := v.Model.Shapes.OwnedByOf(t.Table); o != nil {
		by := v.Relation(o.By.Relation)
		p.owned = o
		p.via = []catalog.QName{root(v, o.By.Relation)}
		p.how = "referred to by " + o.By.String()
		p.is = func(alias string) string {
			return fmt.Sprintf("EXISTS (SELECT 1 FROM %s o WHERE %s AND %s)", o.By.Relation.SQL(),
				joined("o", []string{o.By.Column}, alias, []string{o.Key}), is(v, by, "o", tenant))
		}
		return p
	}
	switch t.Class {
	case catalog.TenantTable, catalog.TenantsTable:
		p.how = "by " + v.TenantColumn(r)
		p.is = func(alias string) string { return is(v, r, alias, tenant) }
		return p
	case catalog.ChildTable:
		words := make([]string, len(t.Paths))
		for i, path := range t.Paths {
			words[i] = path.String()
			p.via = append(p.via, list.Map(path, func(step catalog.Step) catalog.QName { return root(v, step.To) })...)
		}
		p.how = "by " + strings.Join(words, ", or by ")
		p.is = func(alias string) string {
			ways := list.Map(t.Paths, func(path catalog.Path) string { return reaches(v, path, alias, tenant) })
			return "(" + strings.Join(ways, " OR ") + ")"
		}
		return p
	}
	return nil
}

// equals is the operator by its full name: the operator's connection keeps the team's
// search_path for its triggers, and somebody may have put an operator of their own there.
const equals = " OPERATOR(pg_catalog.=) "

// is compares the tenant column of a table, called alias, with a tenant.
func is(v *policy.View, r *catalog.Relation, alias, tenant string) string {
	column := v.TenantColumn(r)
	typ := v.Model.Type
	if c := r.Column(column); c != nil {
		typ = c.Type
	}
	return alias + "." + sqltext.Ident(column) + equals + literal(v, tenant, typ)
}

// literal is a tenant as a value of a type, without a length that would cut it.
func literal(v *policy.View, tenant, typ string) string {
	base := v.BaseType(typ)
	if i := strings.IndexByte(base, '('); i > 0 {
		base = strings.TrimSpace(base[:i])
	}
	return sqltext.Literal(tenant) + "::" + base
}

// reaches is the condition that a row's parent, by a path of keys, is the tenant's.
func reaches(v *policy.View, path catalog.Path, before, tenant string) string {
	from := make([]string, len(path))
	where := make([]string, 0, len(path)+1)
	for i, step := range path {
		alias := fmt.Sprintf("p%d", i+1)
		from[i] = step.To.SQL() + " " + alias
		where = append(where, joined(alias, step.RefColumns, before, step.Columns))
		before = alias
	}
	last := v.Relation(path[len(path)-1].To)
	where = append(where, is(v, last, before, tenant))
	return "EXISTS (SELECT 1 FROM " + strings.Join(from, ", ") + " WHERE " + strings.Join(where, " AND ") + ")"
}

// joined is the condition that the columns of two tables are equal, pair by pair.
func joined(a string, columns []string, b string, others []string) string {
	pairs := make([]string, len(columns))
	for i := range columns {
		pairs[i] = a + "." + sqltext.Ident(columns[i]) + equals + b + "." + sqltext.Ident(others[i])
	}
	return strings.Join(pairs, " AND ")
}

// find returns the part of a table, or of the partitioned table it belongs to.
func find(v *policy.View, all []*part, name catalog.QName) *part {
	name = root(v, name)
	i := slices.IndexFunc(all, func(p *part) bool { return p.name() == name })
	if i < 0 {
		return nil
	}
	return all[i]
}

// root is the partitioned table that a table is a partition of, at any depth.
func root(v *policy.View, name catalog.QName) catalog.QName {
	for r := v.Relation(name); r != nil && r.Partition && len(r.ParentNames) > 0; r = v.Relation(name) {
		name = r.ParentNames[0]
	}
	return name
}

// heaps are the tables that hold the rows of a part: its partitions, or itself.
func (p *part) heaps(v *policy.View) []*catalog.Relation {
	if p.table.Kind != catalog.PartitionedTable {
		return []*catalog.Relation{p.table}
	}
	return list.Filter(v.Descendants(p.table), func(r *catalog.Relation) bool {
		return r.Kind != catalog.PartitionedTable
	})
}
