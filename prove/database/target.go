package database

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
)

// target is a relation to attack, with what the application role may do to it.
type target struct {
	rel   *catalog.Relation
	class catalog.Class
	// tenant is the column that holds the tenant; empty where there is none.
	tenant string
	model  catalog.TableModel
	// anchor is the tenant column of the table at the end of the first path, for a
	// table that reaches its tenant through foreign keys.
	anchor string
	reach  reach
	// key are columns that identify a row: the primary key, else a unique
	// constraint over columns that are not null; empty when there is none.
	key []string
	// divided are the columns of the partition key, of partitions' own keys too.
	divided []string
}

// reach is what the server says the application role may do.
type reach struct {
	usage                                bool // of the schema
	insert, update, delete, truncate     bool
	trigger, references, maintain, owner bool
	selects, inserts, updates            []string // columns
}

func (t *target) name() string { return t.rel.QName().String() }
func (t *target) sql() string  { return table(t.rel.QName()) }

// readable says whether any column may be read.
func (t *target) readable() bool { return t.reach.usage && len(t.reach.selects) > 0 }

// whole says whether every column may be read.
func (t *target) whole() bool { return len(t.reach.selects) == len(t.rel.Columns) }

// isTable says whether rows live here.
func (t *target) isTable() bool {
	return t.rel.Kind == catalog.Table || t.rel.Kind == catalog.PartitionedTable
}

// seesTenant says whether the application role can read the tenant column.
func (t *target) seesTenant() bool {
	return t.tenant != "" && slices.Contains(t.reach.selects, t.tenant)
}

// fires says whether writing runs code of the user's: triggers or rules.
func (t *target) fires() bool {
	return slices.ContainsFunc(t.rel.Triggers, func(g catalog.Trigger) bool { return g.Enabled != "disabled" }) ||
		slices.ContainsFunc(t.rel.Rules, func(r catalog.Rule) bool { return r.Enabled != "disabled" })
}

// loud is what a trigger's function may do that a rollback does not undo, or that
// leads to code which may: numbers drawn, other tables written. A trigger that raises
// is best met on the stage too, where it can be left out.
var loud = regexp.MustCompile(`(?i)\b(insert|nextval|setval|execute|call|notify|pg_notify|dblink\w*|copy|raise\s+exception)\b`)

// risky says whether writing could leave a trace although it is rolled back: code
// runs that may draw from a sequence or reach outside.
func (t *target) risky(s *catalog.Snapshot) bool {
	if len(t.rel.Rules) > 0 {
		return true
	}
	for _, g := range t.rel.Triggers {
		i := slices.IndexFunc(s.Functions, func(f catalog.Function) bool {
			return f.Schema == g.Function.Schema && f.Name == g.Function.Name && f.Result == "trigger"
		})
		if g.Enabled != "disabled" && (i < 0 || loud.MatchString(s.Functions[i].Body)) {
			return true
		}
	}
	return false
}

// column returns the column, nil when there is none of the name.
func (t *target) column(name string) *catalog.Column { return columnOf(t.rel, name) }

func columnOf(r *catalog.Relation, name string) *catalog.Column {
	i := slices.IndexFunc(r.Columns, func(c catalog.Column) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return &r.Columns[i]
}

//go:embed reach.sql
var reachQuery string

// reachable asks the server, as the application role, what it may do. The server's
// own answer counts memberships, PUBLIC and column grants as it will enforce them.
func reachable(ctx context.Context, conn *pgx.Conn) (map[catalog.QName]reach, error) {
	rows, err := conn.Query(ctx, reachQuery)
	if err != nil {
		return nil, fmt.Errorf("read the application role's privileges: %w", err)
	}
	defer rows.Close()
	out := map[catalog.QName]reach{}
	for rows.Next() {
		var q catalog.QName
		var r reach
		if err := rows.Scan(&q.Schema, &q.Name, &r.usage, &r.insert, &r.update, &r.delete, &r.truncate,
			&r.trigger, &r.references, &r.maintain, &r.owner, &r.selects, &r.inserts, &r.updates); err != nil {
			return nil, fmt.Errorf("read the application role's privileges: %w", err)
		}
		out[q] = r
	}
	return out, rows.Err()
}

// targets lists the relations of the model's schemas, tables first, so that a view
// is attacked after what it reads.
func targets(s *catalog.Snapshot, m *catalog.Model, may map[catalog.QName]reach) []*target {
	var out []*target
	for i := range s.Relations {
		r := &s.Relations[i]
		if r.Kind == catalog.Sequence || r.Extension != "" || !slices.Contains(m.Schemas, r.Schema) {
			continue
		}
		t := &target{rel: r, class: catalog.UnknownTable, reach: may[r.QName()], key: keyOf(r), divided: dividing(s, r)}
		if j := slices.IndexFunc(m.Tables, func(tm catalog.TableModel) bool { return tm.Table == r.QName() }); j >= 0 {
			t.model, t.class, t.tenant = m.Tables[j], m.Tables[j].Class, m.Tables[j].Column
		} else if columnOf(r, m.Column) != nil {
			t.tenant = m.Column
		}
		if paths := t.model.Paths; len(paths) > 0 && len(paths[0]) > 0 {
			t.anchor = tenantColumn(m, paths[0][len(paths[0])-1].To)
		}
		if t.class != catalog.IgnoredTable {
			out = append(out, t)
		}
	}
	slices.SortStableFunc(out, func(a, b *target) int { return rank(a) - rank(b) })
	return out
}

// dividing lists the columns by which a table and its partitions are partitioned.
func dividing(s *catalog.Snapshot, r *catalog.Relation) []string {
	out := slices.Clone(r.PartitionKey.Columns)
	if r.Kind != catalog.PartitionedTable {
		return out
	}
	for i := range s.Relations {
		if child := &s.Relations[i]; child.Partition && slices.Contains(child.ParentNames, r.QName()) {
			out = append(out, dividing(s, child)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// tenantColumn returns the tenant column of a table of the model.
func tenantColumn(m *catalog.Model, q catalog.QName) string {
	for _, t := range m.Tables {
		if t.Table == q && t.Column != "" {
			return t.Column
		}
	}
	return m.Column
}

func rank(t *target) int {
	switch {
	case t.class == catalog.TenantsTable:
		return 0
	case t.isTable() && !t.rel.Partition:
		return 1
	case t.isTable():
		return 2
	}
	return 3
}

func keyOf(r *catalog.Relation) []string {
	for _, kind := range []catalog.ConstraintType{catalog.PrimaryKey, catalog.Unique} {
		for _, c := range r.Constraints {
			if c.Type == kind && !slices.ContainsFunc(c.Columns, func(n string) bool {
				col := columnOf(r, n)
				return col == nil || !col.NotNull
			}) {
				return c.Columns
			}
		}
	}
	return nil
}
