package audit

import (
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

// What package seal installs.
var (
	sealKeyTable  = catalog.QName{Schema: "moat", Name: "seal_key"}
	sealedTenant  = policy.SealedTenant()
	sealFunctions = []string{"enter", "current_tenant", "current_fact"}
)

// sealed are the policies that read the sealed tenant, plain those that read the
// tenant setting: "schema.table.policy".
func (f *facts) sealed() (sealed, plain []string) {
	for r := range catalog.Each(f.s.Relations) {
		for _, p := range r.Policies {
			name := r.QName().String() + "." + p.Name
			for _, e := range p.Exprs() {
				if strings.Contains(e.Text, policy.SealedTenantCall()) {
					sealed = append(sealed, name)
				}
				if f.readsPlain(f.look.Judge(e, r).Settings) {
					plain = append(plain, name)
				}
			}
		}
	}
	return slices.Compact(sealed), slices.Compact(plain)
}

// readsPlain reports whether one of the settings is what sealed mode has a function for.
func (f *facts) readsPlain(settings []string) bool {
	subject, role := f.look.Facts()
	return slices.ContainsFunc([]string{f.m.Setting, subject, f.look.IssuerSetting(), role}, func(name string) bool {
		return slices.Contains(settings, strings.ToLower(name))
	})
}

// sealInstalled reports whether the functions are there.
func (f *facts) sealInstalled() bool { return len(f.look.Functions(sealedTenant)) > 0 }

// sealOwner is the role that the functions run as, "" where they are not there.
func (f *facts) sealOwner() string {
	for _, fn := range f.look.Functions(sealedTenant) {
		return fn.Owner
	}
	return ""
}
