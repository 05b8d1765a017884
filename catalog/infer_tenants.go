package catalog

import (
	"slices"
	"strings"
)

// tenantsOf notes what a tenant column's foreign keys say of the tenants table.
func (f *inference) tenantsOf(c *candidate) {
	f.m.Tenants, f.m.Key = f.o.Tenants, f.o.Key
	if f.m.Tenants != (QName{}) {
		return
	}
	count := map[string]int{}
	names := map[string]QName{}
	for name, n := range c.targets {
		// A platform's table, auth.users, may well be what tenants are.
		if f.ignored[name] == "" {
			count[name.String()] = n
			names[name.String()] = name
		}
	}
	if len(count) > 0 {
		f.m.Tenants = names[mostCommon(count)]
		f.m.Key = c.keys[f.m.Tenants]
	} else if t := f.namedAfter(c.name); t != nil {
		f.m.Tenants = t.QName()
	}
}

// tenants settles the tenants table and its key.
func (f *inference) tenants() error {
	t := f.v.relations[f.m.Tenants]
	if t == nil {
		f.m.Tenants, f.m.Key = QName{}, ""
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
	if key := t.column(f.m.Key); f.m.Type == "" && key != nil {
		f.m.Type = key.Type
	}
	if f.o.Tenants == (QName{}) {
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
	count, sources := map[string]int{}, map[string]*evidence{}
	for _, r := range f.all {
		for _, p := range r.Policies {
			for _, e := range []*Expr{p.Using, p.Check} {
				if e == nil || e.Root == nil {
					continue
				}
				found := f.evidenceIn(e.Root, r)
				if found == nil || (found.setting == "" && found.membership == nil && len(found.claim) == 0) { // the sealed tenant names no setting
					continue
				}
				key := found.setting + "\x00" + strings.Join(found.claim, "\x00")
				count[key]++
				if sources[key] == nil {
					sources[key] = found
				}
			}
		}
	}
	best := sources[mostCommon(count)]
	if best == nil && f.sealedSetting() != "" {
		f.m.Setting = f.sealedSetting()
		f.say("tenant setting %s: set beside the sealed tenant", f.m.Setting)
		return nil
	}
	if best == nil {
		f.m.Setting = f.anySetting()
		return nil
	}
	f.m.Setting, f.m.Claim, f.m.Membership = best.setting, best.claim, best.membership
	f.say("tenant setting %s: read by policies", strings.Join(append([]string{f.m.Setting}, f.m.Claim...), " → "))
	return nil
}

// sealedSetting is the plain setting that binding a sealed tenant sets as well, which
// only the text of that function tells.
func (f *inference) sealedSetting() string {
	for _, fn := range f.v.functions[QName{Schema: "moat", Name: "enter"}] {
		if before, _, ok := strings.Cut(fn.Body, "', tenant, true)"); ok && slices.Contains(f.m.Trusted, sealedTenant) {
			return before[strings.LastIndexByte(before, '\'')+1:]
		}
	}
	return ""
}

// evidence is what a policy compares the tenant column with.
type evidence struct {
	setting    string
	claim      []string
	membership *ColumnRef
}

// evidenceIn finds what the tenant column of r is compared with in an expression.
func (f *inference) evidenceIn(root *Node, r *Relation) *evidence {
	a := analyst{v: f.v, m: &Model{Column: f.m.Column, Tenants: f.m.Tenants, Key: f.m.Key, Trusted: f.m.Trusted}, t: r, j: &Judgement{}, notDistinct: map[*Node]bool{}}
	a.column = f.columnOf(r)
	if a.column == "" || !a.predicateAnywhere(root).tenant {
		return nil
	}
	a.facts(root, 0)
	found := a.compared
	// The settings of moat's own are those inside the sealed tenant.
	settings := slices.DeleteFunc(slices.Clone(a.j.Settings), func(name string) bool { return strings.HasPrefix(name, "moat.") })
	if found == nil && len(settings) > 0 {
		found = &evidence{setting: settings[0]}
		if slices.Contains(a.j.Claims, "sub") {
			found.claim = []string{"sub"}
		}
	}
	if found != nil && len(a.j.Memberships) > 0 {
		found.membership = &a.j.Memberships[0]
	}
	// PostgREST's one setting for each claim is the old form of the one for all.
	if found != nil && strings.HasPrefix(found.setting, "request.jwt.claim") && slices.Contains(a.j.Settings, "request.jwt.claims") {
		found.setting = "request.jwt.claims"
	}
	return found
}

// columnOf is the tenant column of a table before tables are classified.
func (f *inference) columnOf(r *Relation) string {
	if r.QName() == f.m.Tenants {
		return f.m.Key
	}
	if r.column(f.m.Column) != nil {
		return f.m.Column
	}
	return ""
}

// anySetting is the setting of a telling name that any policy or function reads,
// for schemas whose policies compare nothing yet, or wrongly.
func (f *inference) anySetting() string {
	count := map[string]int{}
	note := func(names []string) {
		for _, name := range names {
			last := name[strings.LastIndexByte(name, '.')+1:]
			telling := slices.ContainsFunc([]string{"tenant", "org", "account", "workspace", "company", "team", "customer", "client"},
				func(part string) bool { return strings.Contains(last, part) })
			if telling && !strings.HasPrefix(name, "request.") {
				count[name]++
			}
		}
	}
	for _, r := range f.all {
		for _, p := range r.Policies {
			for _, e := range []*Expr{p.Using, p.Check} {
				if e != nil {
					note(settingsIn(e.Text))
				}
			}
		}
	}
	for i := range f.v.Snapshot.Functions {
		if fn := &f.v.Snapshot.Functions[i]; !fn.System && fn.Extension == "" && fn.Schema != "moat" {
			note(settingsIn(fn.Body))
		}
	}
	if name := mostCommon(count); name != "" {
		f.say("tenant setting %s: named in policies or functions", name)
		return name
	}
	f.say("tenant setting %s: the default, as no policy reads one", DefaultSetting)
	return DefaultSetting
}
