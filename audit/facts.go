package audit

import (
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// facts is what rules look things up in: the Snapshot indexed, the application
// roles, and each policy judged once.
type facts struct {
	s *catalog.Snapshot
	m *catalog.Model
	o Options

	look *policy.View

	apps    []string            // application roles, superusers included
	acts    map[string][]string // what actsAs says of them
	granted map[string]bool     // the grantees whose privileges they have

	// The tables of tenants, those of them that have the tenant column, and those that
	// have row-level security, so that their policies are judged.
	tenantTables, keyedTables, judgedTables []*catalog.Relation
	// userFunctions are those that neither PostgreSQL nor an extension brought.
	userFunctions []*catalog.Function

	policies map[catalog.QName][]*judgedPolicy
	open     []openPolicy      // nil until asked for
	helping  map[bool][]helper // by whether callees are included
	// predicates are the isolating USING expressions in use, by column name and type.
	predicates map[string]predicate
	// identity names the functions that policies take the caller's identity from.
	identity map[string]bool
	// asking are the functions with arguments, by name, that ask who is calling; followed is
	// what was found in the bodies of definers.
	asking   map[string][]*catalog.Function
	followed map[*catalog.Function]*asking
}

func newFacts(v *policy.View, o Options) *facts {
	f := &facts{s: v.Snapshot, m: v.Model, o: o, look: v,
		acts: map[string][]string{}, granted: map[string]bool{},
		helping:  map[bool][]helper{},
		policies: map[catalog.QName][]*judgedPolicy{}, predicates: map[string]predicate{}, identity: map[string]bool{},
		asking: map[string][]*catalog.Function{}, followed: map[*catalog.Function]*asking{}}
	f.collectTables()
	f.collectRoles()
	for i := range f.s.Functions {
		if fn := &f.s.Functions[i]; !fn.System && fn.Extension == "" {
			f.userFunctions = append(f.userFunctions, fn)
		}
	}
	return f
}

func (f *facts) collectTables() {
	for r := range catalog.Each(f.s.Relations) {
		if !r.IsTable() || !f.holdsTenants(r.QName()) {
			continue
		}
		f.tenantTables = append(f.tenantTables, r)
		if f.tenantColumn(r.QName()) != "" {
			f.keyedTables = append(f.keyedTables, r)
		}
		if r.RLS {
			f.judgedTables = append(f.judgedTables, r)
		}
	}
}

func (f *facts) collectRoles() {
	for _, name := range f.m.Roles {
		if f.look.Role(name) == nil {
			continue
		}
		f.apps = append(f.apps, name)
		for _, r := range f.actsAs(name) {
			f.granted[r] = true
		}
	}
}

// reported reports whether findings about this schema are wanted.
func (f *facts) reported(schema string) bool {
	wanted := f.o.Schemas
	if len(wanted) == 0 {
		wanted = f.m.Schemas
	}
	return schema == "" || len(wanted) == 0 || slices.Contains(wanted, schema)
}

// tenantColumn returns the column of a table that says whose row it is, "" when it
// has none.
func (f *facts) tenantColumn(name catalog.QName) string {
	t := f.look.Table(name)
	if t == nil || (t.Class != catalog.TenantTable && t.Class != catalog.TenantsTable) {
		return ""
	}
	return t.Column
}

// holdsTenants reports whether a table holds one tenant's rows in addition to another's.
func (f *facts) holdsTenants(name catalog.QName) bool { return f.look.Class(name).HasTenants() }

// readers returns every view and materialized view that reads a relation, through
// other views too.
func (f *facts) readers(of catalog.QName) []*catalog.Relation {
	var out []*catalog.Relation
	var visit func(name catalog.QName)
	visit = func(name catalog.QName) {
		for _, d := range f.look.ReadBy(name) {
			r := f.look.Relation(d.From)
			if r == nil || d.Rule != "_RETURN" || d.From == name || !f.lendsRows(d) || slices.Contains(out, r) {
				continue
			}
			out = append(out, r)
			visit(d.From)
		}
	}
	visit(of)
	return out
}

// executable returns the first function of pg_catalog or an extension by this name
// that an application role may execute.
func (f *facts) executable(name string) *catalog.Function {
	for fn := range catalog.Each(f.s.Functions) {
		if fn.Name == name && (fn.System || fn.Extension != "") && f.appMay(fn.Privileges, "EXECUTE") {
			return fn
		}
	}
	return nil
}
