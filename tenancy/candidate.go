package tenancy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/policy"
)

// candidate is a column that may be the tenant's, in all its spellings, and what speaks
// for it.
type candidate struct {
	spellings map[string]int
	tables    int                   // that have it
	policies  int                   // tables whose policies compare it with the caller's setting
	targets   map[catalog.QName]int // tables that it references by itself, and how often
	keys      map[catalog.QName]string
	types     map[string]int
	why       string // said in place of the count of tables
}

func newCandidate(name string) *candidate {
	return &candidate{spellings: map[string]int{name: 1}, targets: map[catalog.QName]int{},
		keys: map[catalog.QName]string{}, types: map[string]int{}}
}

// spelling is what tenant_id, tenantId and TenantID have in common.
func spelling(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

// name is the most frequent spelling.
func (c *candidate) name() string { return mostCommon(c.spellings) }

func (c *candidate) because() string {
	if c.why != "" {
		return c.why
	}
	text := "in " + english.Count(c.tables, "table")
	if len(c.spellings) > 1 {
		text += ", also spelled " + strings.Join(sortedByCount(c.spellings)[1:], ", ")
	}
	if to := c.target(); to != (catalog.QName{}) {
		text += ", refers to " + to.String()
	}
	if c.policies > 0 {
		text += fmt.Sprintf(", and compared with the caller's tenant by the policies of %d", c.policies)
	}
	return text
}

// target is the one table that the column refers to, none when there are several: one
// stray key among many does not count.
func (c *candidate) target() catalog.QName {
	all, best, found := 0, 0, catalog.QName{}
	for name, n := range c.targets {
		all += n
		if n > best {
			best, found = n, name
		}
	}
	if 10*best < 9*all {
		return catalog.QName{}
	}
	return found
}

// usual is the place of the name in UsualColumns, past its end for others.
func (c *candidate) usual() int {
	for i, name := range UsualColumns() {
		for own := range c.spellings {
			if spelling(own) == spelling(name) {
				return i
			}
		}
	}
	return len(UsualColumns())
}

// candidates gathers the columns of the tables that may belong to tenants, by spelling:
// those of the usual names, those that refer to a table, those that a policy compares with
// what names the caller, and the one configured.
func (f *inference) candidates() map[string]*candidate {
	all := map[string]*candidate{}
	for _, r := range f.all {
		if f.ignored[r.QName()] != "" || r.Partition || slices.Contains(f.o.Shared, r.QName()) {
			continue
		}
		compared := f.comparedColumns(r)
		seen := map[string]bool{}
		for col := range catalog.Each(r.Columns) {
			c := newCandidate(col.Name)
			c.note(r, col)
			if slices.Contains(f.o.Shared, c.target()) {
				continue
			}
			if c.usual() == len(UsualColumns()) && len(c.targets) == 0 && !compared[col.Name] && col.Name != f.o.Column {
				continue
			}
			if compared[col.Name] {
				c.policies = 1
			}
			key := spelling(col.Name)
			if seen[key] {
				c.tables = 0 // two spellings in one table
			}
			seen[key] = true
			all[key] = c.with(all[key])
		}
	}
	return all
}

// note counts a table that has the column, and the foreign keys that consist of it alone.
func (c *candidate) note(r *catalog.Relation, col *catalog.Column) {
	c.tables = 1
	c.types[col.Type]++
	for _, k := range r.Constraints {
		if k.Type == catalog.ForeignKey && slices.Equal(k.Columns, []string{col.Name}) && k.References != r.QName() {
			c.targets[k.References]++
			c.keys[k.References] = k.RefColumns[0]
		}
	}
}

// with adds what another table says of the same column.
func (c *candidate) with(o *candidate) *candidate {
	if o == nil {
		return c
	}
	o.tables, o.policies = o.tables+c.tables, o.policies+c.policies
	for name, n := range c.spellings {
		o.spellings[name] += n
	}
	for name, n := range c.targets {
		o.targets[name] += n
	}
	for name, n := range c.types {
		o.types[name] += n
	}
	maps.Copy(o.keys, c.keys)
	return o
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

// lookedAt is the number of tables that might have the tenant column.
func (f *inference) lookedAt() int {
	n := 0
	for _, r := range f.all {
		if f.ignored[r.QName()] == "" && !r.Partition && !slices.Contains(f.o.Shared, r.QName()) {
			n++
		}
	}
	return n
}

// best is the candidate with most behind it, or one named after a table of tenants that no
// table refers to by such a column yet; nil when nothing is certain enough.
func (f *inference) best(all map[string]*candidate) *candidate {
	list := slices.Collect(maps.Values(all))
	slices.SortFunc(list, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(f.certainty(b, all), f.certainty(a, all)), cmp.Compare(b.policies, a.policies),
			cmp.Compare(b.tables, a.tables), cmp.Compare(a.usual(), b.usual()), cmp.Compare(a.name(), b.name()))
	})
	if len(list) > 0 && f.certainty(list[0], all) >= common {
		return list[0]
	}
	if c := f.byTenantsTable(); c != nil {
		return c
	}
	if len(list) == 0 || f.certainty(list[0], all) == unlikely || f.tied(list, all) {
		return nil
	}
	return list[0]
}

// tied reports whether two columns that only their keys speak for have as much behind
// them: to take one would be a guess.
func (f *inference) tied(list []*candidate, all map[string]*candidate) bool {
	if f.certainty(list[0], all) != referring || len(list) == 1 {
		return false
	}
	return f.certainty(list[1], all) == referring && list[1].tables == list[0].tables
}

// How certain a candidate is, the least first.
const (
	unlikely  = iota
	below     // of a usual name, but the table it refers to belongs to tenants itself
	caller    // policies compare it with who the caller is
	referring // in several tables, refers to one
	common    // of a usual name, or of one that its tenants table explains
	most      // in most tables, refers to one
	bound     // policies bind it to the caller's tenant
	certain   // and its name says so too
)

// certainty orders candidates. A column that policies bind to the caller comes first; next
// the one that most tables have and that refers to one table; then a usual name. A user's
// own id, which policies compare and most tables have too, comes last.
func (f *inference) certainty(c *candidate, all map[string]*candidate) int {
	listed, person := c.usual() < len(UsualColumns()), f.isPerson(c)
	refers := c.target() != catalog.QName{} && !person
	switch {
	case listed && c.policies > 0, c.targets[f.o.Tenants] > 0:
		return certain
	case c.policies > 0 && !person && c.name() != "id":
		return bound
	case refers && c.tables > 1 && 2*c.tables > f.lookedAt()-1 && !f.rivalled(c, all): // the tenants table has none
		return most
	case f.belongs(c, all):
		return below
	case listed && (len(c.targets) > 0 || f.namedAfter(c.name()) != nil || c.usual() < 4):
		return common
	case refers && f.telling(c.target()) && (c.tables > 1 || c.namesTarget()):
		return common
	case c.policies > 0 && c.name() != "id":
		return caller
	case refers && c.tables > 1:
		return referring
	case listed, c.policies > 0:
		return caller
	}
	return unlikely
}

// isPerson reports whether a column says who somebody is, by its name or its table's.
func (f *inference) isPerson(c *candidate) bool {
	own, to := spelling(c.name()), spelling(c.target().Name)
	return policy.NamesCaller("."+own) || policy.NamesCaller("."+to) || to == "people" ||
		strings.HasSuffix(strings.TrimSuffix(own, "id"), "by") // created_by
}

// namesTarget reports whether the column begins with its table's name: tenant_slug.
func (c *candidate) namesTarget() bool {
	return strings.HasPrefix(spelling(c.name()), strings.TrimSuffix(spelling(c.target().Name), "s"))
}

// telling reports whether a table's name is that of a table of tenants.
func (f *inference) telling(table catalog.QName) bool {
	return slices.ContainsFunc(UsualColumns()[:7], func(column string) bool {
		t := f.namedAfter(column)
		return t != nil && t.QName() == table
	})
}

// rivalled reports whether the table that c refers to has, itself, a usual column that is
// never NULL and nearly as frequent: in a small schema "most tables" says little.
func (f *inference) rivalled(c *candidate, all map[string]*candidate) bool {
	target := f.v.Relation(c.target())
	return target != nil && slices.ContainsFunc(target.Columns, func(col catalog.Column) bool {
		above := all[spelling(col.Name)]
		return above != nil && above != c && col.NotNull && above.usual() < c.usual() && 2*above.tables >= c.tables &&
			above.target() != (catalog.QName{}) && above.target() != target.QName()
	})
}

// belongs reports whether the table that c refers to has, itself, a better candidate that
// is never NULL: a customer of an account is not the tenant.
func (f *inference) belongs(c *candidate, all map[string]*candidate) bool {
	target := f.v.Relation(c.target())
	if target == nil {
		return false
	}
	for col := range catalog.Each(target.Columns) {
		above := all[spelling(col.Name)]
		if above == nil || above == c || !col.NotNull || above.target() == (catalog.QName{}) || f.isPerson(above) ||
			above.target() == target.QName() {
			continue
		}
		if above.usual() < c.usual() || c.usual() == len(UsualColumns()) && above.tables > c.tables ||
			above.tables >= 3*c.tables {
			return true
		}
	}
	return false
}
