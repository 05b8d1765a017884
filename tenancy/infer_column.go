package tenancy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// UsualColumns are the names a tenant column usually has, most significant first.
func UsualColumns() []string {
	return []string{"tenant_id", "organization_id", "account_id", "org_id", "workspace_id", "company_id", "team_id",
		"customer_id", "client_id"}
}

// candidate is what speaks for a column being the tenant's.
type candidate struct {
	name     string
	tables   int                   // that have it
	policies int                   // tables whose policies compare it with the caller's setting
	targets  map[catalog.QName]int // tables that it references by itself, and how often
	keys     map[catalog.QName]string
	types    map[string]int
	rank     int // in UsualColumns; after them for others
}

func newCandidate(name string, rank int) *candidate {
	return &candidate{name: name, rank: rank,
		targets: map[catalog.QName]int{}, keys: map[catalog.QName]string{}, types: map[string]int{}}
}

// column finds the tenant column and its type.
func (f *inference) column() error {
	all := f.candidates()
	var best *candidate
	if f.o.Column != "" {
		best = all[f.o.Column]
		if best == nil {
			if f.o.Tenants == (catalog.QName{}) {
				return &NoSuchObjectError{"column", f.o.Column}
			}
			best = &candidate{name: f.o.Column}
		}
	} else if best = f.best(all); best == nil {
		if best = f.byTenantsTable(); best == nil {
			return f.noColumn()
		}
	} else {
		f.say("tenant column %s: in %d tables%s", best.name, best.tables, best.because())
	}
	f.m.Column = best.name
	f.m.Type = f.o.Type
	if f.m.Type == "" {
		f.m.Type = mostCommon(best.types)
	}
	f.tenantsOf(best)
	return nil
}

func (c *candidate) because() string {
	if c.policies > 0 {
		return fmt.Sprintf(", and compared with the caller's tenant by the policies of %d", c.policies)
	}
	return ""
}

// candidates gathers the columns that may be it: those of the usual names, those
// that a policy compares with what names the caller, and the one configured.
func (f *inference) candidates() map[string]*candidate {
	all := map[string]*candidate{}
	for _, r := range f.all {
		if f.ignored[r.QName()] != "" || r.Partition {
			continue
		}
		compared := f.comparedColumns(r)
		for i := range r.Columns {
			c := &r.Columns[i]
			rank := slices.Index(UsualColumns(), c.Name)
			if rank < 0 && !compared[c.Name] && c.Name != f.o.Column {
				continue
			}
			if rank < 0 {
				rank = len(UsualColumns())
			}
			found := all[c.Name]
			if found == nil {
				found = newCandidate(c.Name, rank)
				all[c.Name] = found
			}
			found.tables++
			found.types[c.Type]++
			if compared[c.Name] {
				found.policies++
			}
			found.note(r)
		}
	}
	return all
}

// note counts the foreign keys of one table that consist of the column alone.
func (c *candidate) note(r *catalog.Relation) {
	for _, k := range r.Constraints {
		if k.Type == catalog.ForeignKey && len(k.Columns) == 1 && k.Columns[0] == c.name && k.References != r.QName() {
			c.targets[k.References]++
			c.keys[k.References] = k.RefColumns[0]
		}
	}
}

// comparedColumns are the columns of r that its policies compare with a setting, a
// claim or a membership, whatever the model will be.
func (f *inference) comparedColumns(r *catalog.Relation) map[string]bool {
	compared := map[string]bool{}
	for _, p := range r.Policies {
		for _, e := range p.Exprs() {
			for _, name := range f.v.Compared(e, r) {
				compared[name] = true
			}
		}
	}
	return compared
}

// best is the candidate with most behind it. A column that policies bind to the
// caller is one for certain; next one of a telling name, or that references a
// table; a user's own id, which policies compare too, comes last.
func (f *inference) best(all map[string]*candidate) *candidate {
	var list []*candidate
	for _, c := range all {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(b.class(f), a.class(f)), cmp.Compare(b.policies, a.policies),
			cmp.Compare(b.tables, a.tables), cmp.Compare(a.rank, b.rank), cmp.Compare(a.name, b.name))
	})
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// class orders candidates by how certain they are.
func (c *candidate) class(f *inference) int {
	named := c.rank < len(UsualColumns())
	switch {
	case named && c.policies > 0:
		return 4
	case named && (len(c.targets) > 0 || f.namedAfter(c.name) != nil || c.rank < 4):
		return 3
	case c.policies > 0 && !policy.NamesCaller("."+c.name) && c.name != "id":
		return 2
	case c.policies > 0:
		return 1
	}
	return 0
}

// namedAfter is the table that a column is named after: tenant_id after tenants.
func (f *inference) namedAfter(column string) *catalog.Relation {
	stem := strings.TrimSuffix(column, "_id")
	names := []string{stem, stem + "s", stem + "es", strings.TrimSuffix(stem, "y") + "ies"}
	if stem == "org" {
		names = append(names, "organizations", "organization", "organisations")
	}
	for _, name := range names {
		for _, r := range f.all {
			if r.Name == name && f.ignored[r.QName()] == "" && r.Column("id") != nil {
				return r
			}
		}
	}
	return nil
}

// byTenantsTable takes a schema whose tables have no tenant column yet: a table of
// a telling name that others reference, directly or not.
func (f *inference) byTenantsTable() *candidate {
	for _, name := range UsualColumns()[:6] {
		t := f.namedAfter(name)
		if f.o.Tenants != (catalog.QName{}) {
			t = f.v.Relation(f.o.Tenants)
		}
		if t == nil || !f.isReferenced(t.QName()) {
			continue
		}
		f.say("tenant column %s: no table has it yet; named after table %s", name, t.QName())
		c := newCandidate(name, 0)
		c.targets[t.QName()] = 1
		if key := primaryKey(t); key != nil {
			c.keys[t.QName()] = key.Name
			c.types[key.Type] = 1
		}
		return c
	}
	return nil
}

func (f *inference) isReferenced(name catalog.QName) bool {
	return slices.ContainsFunc(f.all, func(r *catalog.Relation) bool {
		return slices.ContainsFunc(r.Constraints, func(c catalog.Constraint) bool {
			return c.Type == catalog.ForeignKey && c.References == name && r.QName() != name
		})
	})
}

// noColumn lists what most tables share, for the person who must say.
func (f *inference) noColumn() error {
	err := &NoTenantColumnError{Schemas: f.m.Schemas}
	count := map[string]int{}
	for _, r := range f.all {
		if f.ignored[r.QName()] != "" {
			continue
		}
		err.Tables++
		for _, c := range r.Columns {
			if c.Name == "id" || !strings.HasSuffix(c.Name, "_id") && !strings.HasSuffix(c.Name, "Id") {
				continue
			}
			count[c.Name]++
		}
	}
	names := sortedByCount(count)
	for _, name := range names[:min(5, len(names))] {
		err.Candidates = append(err.Candidates, fmt.Sprintf("%s (in %d)", name, count[name]))
	}
	return err
}

// sortedByCount returns the keys, the most frequent first, then by name.
func sortedByCount(count map[string]int) []string {
	var names []string
	for name := range count {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	return names
}

func mostCommon(count map[string]int) string {
	if names := sortedByCount(count); len(names) > 0 {
		return names[0]
	}
	return ""
}

// primaryKey is the column that alone is the primary key, or, where the key begins
// with others, the column id; nil when there is neither.
func primaryKey(r *catalog.Relation) *catalog.Column {
	for _, c := range r.Constraints {
		if c.Type == catalog.PrimaryKey && len(c.Columns) == 1 {
			return r.Column(c.Columns[0])
		}
	}
	return r.Column("id")
}
