package tenancy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
)

// UsualColumns are the names a tenant column usually has, most significant first.
func UsualColumns() []string {
	return []string{"tenant_id", "organization_id", "account_id", "org_id", "workspace_id", "company_id", "team_id",
		"customer_id", "client_id"}
}

// column finds the tenant column and its type.
func (f *inference) column() error {
	all := f.candidates()
	best, err := f.configured(all)
	if err != nil {
		return err
	}
	if best == nil {
		if best = f.best(all); best == nil {
			return f.noColumn(all)
		}
		f.say("tenant column %s: %s", best.name(), best.because())
	}
	f.m.Column = best.name()
	if f.o.Column != "" {
		f.m.Column = f.o.Column
	}
	f.m.Type = f.o.Type
	if f.m.Type == "" {
		f.m.Type = mostCommon(best.types)
	}
	f.tenantsOf(best)
	return nil
}

// configured is the candidate that tenant.column names, nil when it names none. Where no
// table has the column yet, the tenants table has to be named as well.
func (f *inference) configured(all map[string]*candidate) (*candidate, error) {
	if f.o.Column == "" {
		return nil, nil
	}
	if c := all[spelling(f.o.Column)]; c != nil && c.spellings[f.o.Column] > 0 {
		return c, nil
	}
	if f.o.Tenants == (catalog.QName{}) {
		return nil, &NoSuchObjectError{"column", f.o.Column}
	}
	return newCandidate(f.o.Column), nil
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
		c := newCandidate(name)
		c.why = "no table has it yet; named after table " + t.QName().String()
		c.targets[t.QName()] = 1
		if key := primaryKey(t); key != nil {
			c.keys[t.QName()] = key.Name
			c.types[key.Type] = 1
		}
		return c
	}
	return nil
}

// namedAfter is the table that a column is named after, in any spelling: tenant_id after
// tenants or "Tenant".
func (f *inference) namedAfter(column string) *catalog.Relation {
	stem := strings.TrimSuffix(spelling(column), "id")
	names := []string{stem, stem + "s", stem + "es", strings.TrimSuffix(stem, "y") + "ies"}
	if stem == "org" {
		names = append(names, "organizations", "organization", "organisations", "organisation")
	}
	for _, name := range names {
		for _, r := range f.all {
			if spelling(r.Name) == name && f.mayBeTenants(r) {
				return r
			}
		}
	}
	return nil
}

// Resembles reports whether a column is called as tenants are: like one of these names or a
// usual one, in any spelling and also shortened. It is a hint for a person, no more.
func Resembles(column string, names ...string) bool {
	stem := strings.TrimSuffix(spelling(column), "id")
	return len(stem) > 2 && slices.ContainsFunc(append(UsualColumns(), names...), func(name string) bool {
		return strings.HasPrefix(spelling(name), stem)
	})
}

// mayBeTenants reports whether a table has a key of one column, and was not said to be
// something else.
func (f *inference) mayBeTenants(r *catalog.Relation) bool {
	return f.ignored[r.QName()] == "" && !slices.Contains(f.o.Shared, r.QName()) && primaryKey(r) != nil
}

func (f *inference) isReferenced(name catalog.QName) bool {
	return slices.ContainsFunc(f.all, func(r *catalog.Relation) bool {
		return slices.ContainsFunc(r.Constraints, func(c catalog.Constraint) bool {
			return c.Type == catalog.ForeignKey && c.References == name && r.QName() != name
		})
	})
}

// noColumn says what was looked for, and lists the columns that came closest.
func (f *inference) noColumn(all map[string]*candidate) error {
	err := &NoTenantColumnError{Schemas: f.m.Schemas, Tables: f.lookedAt()}
	count, targets := map[string]int{}, map[string]string{}
	for _, c := range all {
		if c.name() == "id" {
			continue
		}
		count[c.name()] = c.tables
		if to := c.target(); to != (catalog.QName{}) {
			targets[c.name()] = ", refers to " + to.String()
		}
	}
	names := sortedByCount(count)
	for _, name := range names[:min(5, len(names))] {
		err.Candidates = append(err.Candidates, fmt.Sprintf("%s (in %d%s)", name, count[name], targets[name]))
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
	if key := r.PrimaryKey(); len(key) == 1 {
		return r.Column(key[0])
	}
	return r.Column("id")
}
