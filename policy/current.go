package policy

import "github.com/moat-db/moat/internal/sqltext"

// Current writes the current tenant, as a value of type typ, in the way in which the
// database's policies find it: from the model's setting, or from a claim of the token
// in it. It is "" where they find the tenants of a person, by memberships or by who the
// caller is: that is no single tenant, and none may be made of it by a cast.
func (v *View) Current(typ string) string {
	m := v.Model
	if m.Membership != nil || m.Person {
		return ""
	}
	if len(m.Claim) == 0 {
		return Tenant(m.Setting, typ)
	}
	return claim(m.Setting, m.Claim, typ)
}

// claim writes a key of the JSON in a setting, as a value of type typ.
func claim(setting string, keys []string, typ string) string {
	path := "nullif(current_setting(" + sqltext.Literal(setting) + ", true), '')::jsonb"
	for i, key := range keys {
		arrow := " -> "
		if i == len(keys)-1 {
			arrow = " ->> "
		}
		path += arrow + sqltext.Literal(key)
	}
	return cast("("+path+")", typ)
}

// IsolatingCurrent is [Isolating] by [View.Current]; "" where that is.
func (v *View) IsolatingCurrent(column, typ string, form Form) string {
	tenant := v.Current(typ)
	if tenant == "" {
		return ""
	}
	return Equals(sqltext.Ident(column), tenant, form)
}
