package protect

import (
	"fmt"
	"strings"

	"github.com/moat-db/moat/internal/sqltext"
)

// Form says how a policy reads the tenant.
type Form int

const (
	// Wrapped reads it in a sub-select, once a statement; its plan is the same for
	// every tenant.
	Wrapped Form = iota
	// Direct compares with the function itself: partitions are pruned when the
	// executor starts, which a sub-select prevents.
	Direct
)

// Tenant renders the expression that is the current tenant, as a value of type
// typ. It is NULL when no tenant is set: missing_ok for a fresh connection, nullif
// for one on which an earlier transaction has ended.
//
// Policies, column defaults and generated functions all get their tenant from
// here, so that another source of it is one change.
func Tenant(setting, typ string) string {
	value := fmt.Sprintf("nullif(current_setting(%s, true), '')", sqltext.Literal(setting))
	if cast := castFor(typ); cast != "" {
		return value + "::" + cast
	}
	return value
}

// Isolating renders the policy expression for a tenant column.
func Isolating(column, setting, typ string, form Form) string {
	tenant := Tenant(setting, typ)
	if form == Wrapped {
		tenant = "(SELECT " + tenant + ")"
	}
	return sqltext.Ident(column) + " = " + tenant
}

// castFor returns the type to cast the setting to. A length would cut the value,
// and text needs no cast.
func castFor(typ string) string {
	if typ == "text" || strings.HasPrefix(typ, "character varying") {
		return ""
	}
	return typ
}

// comparable reports whether a tenant column of type typ can be isolated: its
// equality is exact and leakproof. numeric, citext and character(n) are not.
func comparable(typ string) bool {
	switch typ {
	case "uuid", "bigint", "integer", "smallint", "text":
		return true
	}
	return strings.HasPrefix(typ, "character varying")
}
