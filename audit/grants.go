package audit

// tenantGrant reports each tenant table on which an application role has a privilege
// that policies do not restrain.
func (f *facts) tenantGrant(privilege, message, why string) []Finding {
	var out []Finding
	for i := range f.s.Relations {
		r := &f.s.Relations[i]
		if !r.IsTable() || (!f.holdsTenants(r.QName()) && !r.RLS) {
			continue
		}
		if fix := f.revokeSQL(r, privilege); len(fix) > 0 {
			out = append(out, onRelation(r, message, why).with(fix...))
		}
	}
	return out
}
