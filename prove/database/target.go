package database

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/prove"
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
	key   []string
	risky bool // see [prover.risky]
	// parted is true where reading the whole is refused, and not every query is.
	parted bool
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

// fires says whether writing runs code of the user's: triggers that are not held, or rules.
func (p *prover) fires(t *target) bool {
	for i := range t.rel.Triggers {
		if g := &t.rel.Triggers[i]; g.Enabled != "disabled" && !p.outside.held[g] {
			return true
		}
	}
	return slices.ContainsFunc(t.rel.Rules, func(r catalog.Rule) bool { return r.Enabled != "disabled" })
}

// loud is what a trigger's function may do that a rollback does not undo, or that
// leads to code which may: numbers drawn, other tables written. What raises is best met on
// the stage too: a trigger can be left out there, and a message that shows planted rows tells.
var loud = regexp.MustCompile(`(?i)\b(insert|nextval|setval|execute|call|notify|pg_notify|raise)\b`)

// risky says whether writing to a relation could leave a trace although it is rolled
// back: code runs that may draw from a sequence or reach outside.
func (p *prover) risky(r *catalog.Relation) bool {
	unknown := func(g catalog.Trigger) bool { return g.Enabled != "disabled" && len(p.view.Functions(g.Function)) == 0 }
	return len(r.Rules) > 0 || p.outside.writing(r) != "" || slices.ContainsFunc(r.Triggers, unknown) ||
		slices.ContainsFunc(slices.Concat(p.outside.runs(r), p.outside.asked(r)), func(f *catalog.Function) bool {
			// Moat's own write rows, which a rollback takes back.
			return f.Schema != catalog.OwnSchema && f.Extension == "" && loud.MatchString(f.Body)
		})
}

// column returns the column, nil when there is none of the name.
func (t *target) column(name string) *catalog.Column { return t.rel.Column(name) }

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

// setTargets lists the relations of the model's schemas, tables first, so that a view
// is attacked after what it reads.
func (p *prover) setTargets(may map[catalog.QName]reach) {
	p.byName = map[catalog.QName]*target{}
	for r := range catalog.Each(p.view.Snapshot.Relations) {
		if r.Kind == catalog.Sequence || r.Extension != "" || !slices.Contains(p.model.Schemas, r.Schema) {
			continue
		}
		t := p.target(r, may[r.QName()])
		if t.class == catalog.IgnoredTable || p.unreadable(t) {
			continue
		}
		p.targets = append(p.targets, t)
		p.byName[r.QName()] = t
	}
	slices.SortStableFunc(p.targets, func(a, b *target) int { return rank(a) - rank(b) })
}

// unreadable reports a relation of which even reading reaches outside.
func (p *prover) unreadable(t *target) bool {
	why := p.outside.reading(t.rel)
	if why == "" || p.Disposable {
		return false
	}
	if t.readable() {
		p.report.Add(prove.Probe{Attack: t.attack(), Object: t.name(), Verdict: prove.VerdictUndecided,
			Reason: notRun(why).reason})
	}
	return true
}

// attack is the name of the attack that is reading a relation.
func (t *target) attack() string {
	if t.isTable() {
		return "read"
	}
	return string(t.rel.Kind)
}

// target gathers what is known of a relation.
func (p *prover) target(r *catalog.Relation, may reach) *target {
	t := &target{rel: r, class: catalog.UnknownTable, reach: may, key: keyOf(r), risky: p.risky(r)}
	if known := p.view.Table(r.QName()); known != nil {
		t.model, t.class, t.tenant = *known, known.Class, known.Column
	} else {
		t.tenant = p.view.TenantColumn(r)
	}
	if paths := t.model.Paths; len(paths) > 0 && len(paths[0]) > 0 {
		if end := p.view.Relation(paths[0][len(paths[0])-1].To); end != nil {
			t.anchor = p.view.TenantColumn(end)
		}
	}
	return t
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
				column := r.Column(n)
				return column == nil || !column.NotNull
			}) {
				return c.Columns
			}
		}
	}
	return nil
}
