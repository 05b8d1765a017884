package protect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/list"
)

// Tables that look like a shape of tenancy which nobody has declared. A wall by one tenant
// would hide rows that the application may show another today: whose they are to see, a
// person says. Where row-level security is on already, its policies say what is shown, and
// the question about the wall counts it.

// askShapes asks about a tree of tenants, rows of two tenants, and the caller's tenants.
func (p *planner) askShapes() {
	if p.Citus() {
		return // shards take no policy of these shapes
	}
	p.askTree()
	for _, t := range p.tables {
		p.askSecond(t)
	}
	p.askCaller()
}

// oneTenants reports whether a person said that a table's rows concern one tenant only, or
// its policies say so today.
func (p *planner) oneTenants(rel *catalog.Relation) bool {
	return rel.RLS || slices.Contains(p.c.OneTenant, key(rel.QName()))
}

// askTree asks about tenants that stand below tenants.
func (p *planner) askTree() {
	tenants := p.byName[p.m.Tenants]
	if p.m.Shapes.Tree != nil || tenants == nil || p.oneTenants(tenants.rel) {
		return
	}
	parents := p.keysTo(tenants.rel, p.m.Tenants)
	if len(parents) == 0 {
		return
	}
	q := key(p.m.Tenants)
	var a answers
	for _, parent := range parents {
		a.add("yes, it reads them", "tenant: {parent: %s}", parent)
	}
	a = append(a, "tables: {tree: {writes: below}}   # besides: it writes them")
	if names := p.listed(); len(names) > 0 {
		a = append(a, fmt.Sprintf("tables: {tree: {fast: [%s]}}   # besides: their long lists are fast, by one column more",
			strings.Join(names, ", ")))
	}
	a.add("no", "protect: {one_tenant: [%s]}", q)
	p.decide(Decision{ID: "shape/" + q, Table: p.m.Tenants, Object: parents[0],
		Question: fmt.Sprintf("Does a tenant see the rows of the tenants below it, by %s.%s?", q,
			strings.Join(parents, " or ")),
		Why: "The column names another tenant, as a client names its agency. The planned walls show each tenant its own " +
			"rows only.",
		Config: strings.Join(a, "\n")})
}

// listed are the tables of which lists are read in order, the largest first.
func (p *planner) listed() []string {
	rels := list.Pick(p.tables, func(t *table) (*catalog.Relation, bool) {
		return t.rel, t.class == catalog.TenantTable && ordered(t.rel) != nil && !t.rel.Partition
	})
	slices.SortStableFunc(rels, func(a, b *catalog.Relation) int {
		return cmp.Compare(p.sizeOf(b, 0).Bytes, p.sizeOf(a, 0).Bytes)
	})
	return list.Map(rels[:min(3, len(rels))], func(rel *catalog.Relation) string { return key(rel.QName()) })
}

// keysTo are the columns of a table that alone refer to the key of another.
func (p *planner) keysTo(rel *catalog.Relation, to catalog.QName) []string {
	var all []string
	for _, k := range rel.Constraints {
		if k.Type == catalog.ForeignKey && k.References == to && len(k.Columns) == 1 && k.RefColumns[0] == p.m.Key &&
			!slices.Contains(all, k.Columns[0]) {
			all = append(all, k.Columns[0])
		}
	}
	return all
}

// askSecond asks about a tenant table of which a column names another tenant besides: a
// receiver of what is shared, or the other party of an order.
func (p *planner) askSecond(t *table) {
	q, s := t.rel.QName(), &p.m.Shapes
	declared := s.PartiesOf(q) != nil || s.ShareLinkOf(q) != nil || s.LinkOf(q) != nil
	if declared || t.class != catalog.TenantTable || t.missing || t.inherits != nil || t.rel.Partition ||
		p.oneTenants(t.rel) {
		return
	}
	others := p.secondTenants(t)
	if len(others) == 0 {
		return
	}
	var a answers
	for _, with := range others {
		if of := p.sharedThrough(t, with); of != "" {
			a.add("it sees the row that is shared with it", "tables: {shares: {%s: {through: %s, with: %s%s}}}", of, key(q),
				with, editing(t.rel))
		}
	}
	a.add("the owner writes the row and the others read it", "tables: {parties: {%s: {owner: %s, reads: [%s]}}}", key(q),
		t.column, strings.Join(others, ", "))
	a.add("no", "protect: {one_tenant: [%s]}", key(q))
	p.decide(Decision{ID: "shape/" + key(q), Table: q, Object: others[0],
		Question: fmt.Sprintf("Does the tenant that %s of %s names see something of another's?",
			strings.Join(others, " or "), key(q)),
		Why: fmt.Sprintf("The rows belong to the tenant in %s. The planned wall hides them from the one in %s, and the "+
			"row that is meant, if it is a share.", t.column, strings.Join(others, ", ")),
		Config: strings.Join(a, "\n")})
}

// editing names the column by which a receiver may be allowed to write, if there is one.
func editing(link *catalog.Relation) string {
	for _, c := range link.Columns {
		name := strings.ToLower(c.Name)
		if c.Type == "boolean" && (strings.Contains(name, "edit") || strings.Contains(name, "write")) {
			return ", edits: " + c.Name
		}
	}
	return ""
}

// secondTenants are the columns of a tenant table, other than its own, that name a tenant: by
// a foreign key, or in the tenant's type by a name that ends like the tenant column's.
func (p *planner) secondTenants(t *table) []string {
	all := p.keysTo(t.rel, p.m.Tenants)
	stem := strings.TrimSuffix(spelled(p.m.Column), "id")
	for _, c := range t.rel.Columns {
		name := spelled(c.Name)
		like := p.BaseType(c.Type) == t.typ && (strings.HasSuffix(name, stem) || strings.HasSuffix(name, stem+"id"))
		if like && !p.refersElsewhere(t.rel, c.Name) && !slices.Contains(all, c.Name) {
			all = append(all, c.Name)
		}
	}
	return without(all, t.column)
}

func spelled(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

// refersElsewhere reports whether a column is part of a foreign key to another table than
// the tenants: what it names, that table says.
func (p *planner) refersElsewhere(rel *catalog.Relation, column string) bool {
	return slices.ContainsFunc(rel.Constraints, func(k catalog.Constraint) bool {
		return k.Type == catalog.ForeignKey && k.References != p.m.Tenants && slices.Contains(k.Columns, column)
	})
}

// sharedThrough is the table of which rows are shared by those of t with the tenant in with,
// "" where none is: the one that t refers to, with a row for each receiver.
func (p *planner) sharedThrough(t *table, with string) string {
	for _, k := range t.rel.Constraints {
		to := p.byName[k.References]
		if k.Type != catalog.ForeignKey || to == nil || to == t || to.class != catalog.TenantTable {
			continue
		}
		each := func(unique []string) bool {
			return slices.Contains(unique, with) && slices.ContainsFunc(k.Columns, func(c string) bool {
				return c != t.column && slices.Contains(unique, c)
			})
		}
		if slices.ContainsFunc(existingUniques(t.rel), each) {
			return key(k.References)
		}
	}
	return ""
}

// askCaller says that the walls ask the table of memberships which the policies of today
// ask, and offers the other way.
func (p *planner) askCaller() {
	c := p.m.Shapes.Caller
	if !p.inferred || c == nil {
		return
	}
	var a answers
	const entry = "caller: {table: %s, subject: %s, tenant: %s, mode: %s}"
	a.add("all, as today", entry, key(c.Table), c.Subject, c.Tenant, "all")
	a.add("the current tenant's rows, for its members", entry, key(c.Table), c.Subject, c.Tenant, "active")
	p.decide(Decision{ID: "caller/" + key(c.Table), Table: c.Table,
		Question: "Does a caller see all of their tenants at once, or one at a time?",
		Why: fmt.Sprintf("The policies of today find the caller's tenants in %s, by %s, and show all of them. So does the "+
			"plan, as long as nothing else is said.", key(c.Table), c.Subject),
		Config: strings.Join(a, "\n")})
}
