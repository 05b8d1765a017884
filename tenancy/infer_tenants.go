package tenancy

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/policy"
)

// tenantsOf notes what a tenant column's foreign keys say of the tenants table.
func (f *inference) tenantsOf(c *candidate) {
	f.m.Tenants, f.m.Key = f.o.Tenants, f.o.Key
	if f.m.Tenants != (catalog.QName{}) {
		return
	}
	count := map[string]int{}
	names := map[string]catalog.QName{}
	for name, n := range c.targets {
		// A platform's table, auth.users, may well be what tenants are.
		if f.ignored[name] == "" && !slices.Contains(f.o.Shared, name) {
			count[name.String()] = n
			names[name.String()] = name
		}
	}
	if len(count) > 0 {
		f.m.Tenants = names[mostCommon(count)]
		f.m.Key = c.keys[f.m.Tenants]
	} else if t := f.namedAfter(c.name()); t != nil {
		f.m.Tenants = t.QName()
	}
}

// tenants settles the tenants table and its key.
func (f *inference) tenants() error {
	t := f.v.Relation(f.m.Tenants)
	if t == nil {
		f.m.Tenants, f.m.Key = catalog.QName{}, ""
		if f.m.Type == "" {
			f.m.Type = "uuid"
		}
		f.say("tenants table: none found")
		return nil
	}
	if f.m.Key == "" {
		key := primaryKey(t)
		if key == nil {
			return &NoSuchObjectError{"key column of the tenants table", t.QName().String()}
		}
		f.m.Key = key.Name
	}
	if key := t.Column(f.m.Key); f.m.Type == "" && key != nil {
		f.m.Type = key.Type
	}
	if f.o.Tenants == (catalog.QName{}) {
		f.say("tenants table %s, key %s", f.m.Tenants, f.m.Key)
	}
	return nil
}

// setting finds the setting that policies compare the tenant column with.
func (f *inference) setting() error {
	if f.o.Setting != "" {
		f.m.Setting = f.o.Setting
		return nil
	}
	sources, asked := evidences{}, evidences{}
	for _, r := range f.all {
		for _, p := range r.Policies {
			for _, e := range p.Exprs() {
				found := f.v.Evidence(e, r, f.columnOf(r))
				// The sealed tenant names no setting.
				if found == nil || found.Setting == "" && found.Membership == nil && len(found.Claim) == 0 {
					continue
				}
				if found.Membership != nil && f.asksCaller(p, found) {
					asked.add(found) // the caller's tenants, which the model knows: it names the caller
					continue
				}
				sources.add(found)
			}
		}
	}
	f.subject(asked.best())
	best := sources.best()
	if best == nil && f.sealedSetting() != "" {
		f.m.Setting = f.sealedSetting()
		f.say("tenant setting %s: set beside the sealed tenant", f.m.Setting)
		return nil
	}
	if best == nil {
		f.m.Setting = f.anySetting()
		return nil
	}
	f.m.Setting, f.m.Claim, f.m.Membership = best.Setting, best.Claim, best.Membership
	if best.Membership != nil && best.Membership.Relation == f.m.Tenants {
		f.m.Membership = nil // tenants below the current one
	}
	f.m.Person = policy.NamesCaller(strings.Join(append([]string{best.Setting}, best.Claim...), "."))
	f.say("tenant setting %s: read by policies", strings.Join(append([]string{f.m.Setting}, f.m.Claim...), " → "))
	return nil
}

// asksCaller reports whether a policy asks the declared caller's memberships, beside which
// there is a current tenant: always where that is the active one, else in a wall.
func (f *inference) asksCaller(p catalog.Policy, found *policy.Evidence) bool {
	s := &f.m.Shapes
	return s.Caller != nil && (!s.Caller.All || !p.Permissive && len(found.Claim) == 0 &&
		found.Setting == cmp.Or(s.Subject, moat.DefaultSubjectSetting))
}

// subject takes over where the database's own policies find out who the caller is, unless
// moat.yaml names another setting: walls that ask the caller's membership must ask for the
// same caller.
func (f *inference) subject(found *policy.Evidence) {
	s := &f.m.Shapes
	if found == nil || s.Subject != "" && s.Subject != moat.DefaultSubjectSetting || found.Setting == s.Subject {
		return
	}
	s.Subject, s.SubjectClaim = found.Setting, found.Claim
	f.say("caller %s: read by the policies that ask %s",
		strings.Join(append([]string{s.Subject}, s.SubjectClaim...), " → "), s.Caller.Table)
}

// evidences counts what policies compare with, by where it comes from.
type evidences map[string]*counted

type counted struct {
	first *policy.Evidence
	n     int
}

func (e evidences) add(found *policy.Evidence) {
	key := found.Setting + "\x00" + strings.Join(found.Claim, "\x00")
	if e[key] == nil {
		e[key] = &counted{first: found}
	}
	e[key].n++
}

// best is the evidence that most policies give, nil where none gives any.
func (e evidences) best() *policy.Evidence {
	count := map[string]int{}
	for key, c := range e {
		count[key] = c.n
	}
	if c := e[mostCommon(count)]; c != nil {
		return c.first
	}
	return nil
}

// sealedSetting is the plain setting that binding a sealed tenant sets as well, which
// only the text of that function tells.
func (f *inference) sealedSetting() string {
	for _, fn := range f.v.Functions(catalog.QName{Schema: "moat", Name: "enter"}) {
		before, _, ok := strings.Cut(fn.Body, "', tenant, true)")
		if ok && slices.Contains(f.m.Trusted, policy.SealedTenant()) {
			return before[strings.LastIndexByte(before, '\'')+1:]
		}
	}
	return ""
}

// columnOf is the tenant column of a table before tables are classified.
func (f *inference) columnOf(r *catalog.Relation) string {
	if r.QName() == f.m.Tenants {
		return f.m.Key
	}
	if own := f.o.Columns[r.QName().String()]; own != "" {
		return own
	}
	if p := f.o.Shapes.PartiesOf(r.QName()); p != nil {
		return p.Owner
	}
	if c := f.o.Shapes.Caller; c != nil && c.Table == r.QName() && c.Tenant != "" {
		return c.Tenant
	}
	if c := f.spelled(r); c != "" {
		return c
	}
	return f.directColumn(r)
}

// spelled is the tenant column of a table as this table spells it, "" when it has none:
// where two are, the usual spelling.
func (f *inference) spelled(r *catalog.Relation) string {
	if r.Column(f.m.Column) != nil {
		return f.m.Column
	}
	for i := range r.Columns {
		name := r.Columns[i].Name
		if spelling(name) == spelling(f.m.Column) && f.m.Column != "" && !f.refersElsewhere(r, name) {
			return name
		}
	}
	return ""
}

// refersElsewhere reports whether a column by itself refers to something else than tenants:
// neither to their table nor to a tenant column.
func (f *inference) refersElsewhere(r *catalog.Relation, column string) bool {
	elsewhere := false
	for _, k := range r.Constraints {
		if k.Type != catalog.ForeignKey || !slices.Equal(k.Columns, []string{column}) {
			continue
		}
		if k.References == f.m.Tenants || spelling(k.RefColumns[0]) == spelling(f.m.Column) {
			return false
		}
		elsewhere = f.m.Tenants != (catalog.QName{})
	}
	return elsewhere
}

// named checks the tenant columns of other names.
func (f *inference) named() error {
	for _, name := range slices.Sorted(maps.Keys(f.o.Columns)) {
		schema, table, _ := strings.Cut(name, ".")
		err := f.need("tables.columns", catalog.QName{Schema: schema, Name: table}, f.o.Columns[name])
		if err != nil {
			return err
		}
	}
	return nil
}

// anySetting is the setting of a telling name that any policy or function reads,
// for schemas whose policies compare nothing yet, or wrongly.
func (f *inference) anySetting() string {
	count := map[string]int{}
	note := func(names []string) {
		for _, name := range names {
			last := name[strings.LastIndexByte(name, '.')+1:]
			if telling(last) && !strings.HasPrefix(name, "request.") {
				count[name]++
			}
		}
	}
	for _, r := range f.all {
		for _, p := range r.Policies {
			for _, e := range p.Exprs() {
				note(body.Settings(e.Text))
			}
		}
	}
	for i := range f.v.Snapshot.Functions {
		if fn := &f.v.Snapshot.Functions[i]; !fn.System && fn.Extension == "" && fn.Schema != "moat" {
			note(body.Settings(fn.Body))
		}
	}
	if name := mostCommon(count); name != "" {
		f.say("tenant setting %s: named in policies or functions", name)
		return name
	}
	f.say("tenant setting %s: the default, as no policy reads one", DefaultSetting)
	return DefaultSetting
}

// telling reports whether a name mentions tenants.
func telling(name string) bool {
	parts := []string{"tenant", "org", "account", "workspace", "company", "team", "customer", "client"}
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(name, part) })
}
