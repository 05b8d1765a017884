package audit

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/moat-db/moat/internal/body"

	"github.com/moat-db/moat/catalog"
)

var ruleGrantIsolationTables = Rule{
	ID: "grant-isolation-tables", Severity: Critical, Holes: []string{"V20"},
	Title: "The application role can reach the tables that isolation depends on",
	check: each(relations, func(f *facts, r *catalog.Relation, report reporter) {
		if !r.IsTable() || f.holdsTenants(r.QName()) || r.RLS {
			return
		}
		why, reading := f.restsOn(r)
		names := []string{"INSERT", "UPDATE", "DELETE"}
		if reading {
			names = rowPrivileges
		}
		if why == "" || !f.appTouches(r, names...) {
			return
		}
		report(onRelation(r,
			"Whoever reads or writes this table can act as any tenant.", why).with(f.revokeAllSQL(r)...))
	}),
}

var keyTable = regexp.MustCompile(`(^|_)(keys?|secrets?|seal|mac|hmac|signing)(_|$)`)

// restsOn says why isolation rests on a table, "" when it does not, and whether
// reading it is enough: a definer function that policies call reads it, or it keeps
// keys.
func (f *facts) restsOn(r *catalog.Relation) (why string, reading bool) {
	secret := ""
	for _, c := range r.Columns {
		if c.Type == "bytea" || body.SecretName(c.Name) || len(r.Columns) == 1 && c.Type == "text" {
			secret = c.Name
		}
	}
	for _, h := range f.helpers(true) {
		if reads, _ := f.body(h.fn).Of(r.QName()); reads && h.fn.Definer {
			return fmt.Sprintf("The policy %s of %s depends on %s, which reads this table.",
				h.policy, h.table.QName(), h.fn.Signature()), secret != ""
		}
	}
	if secret != "" && keyTable.MatchString(strings.ToLower(r.Name)) {
		return fmt.Sprintf("Its name and its column %s suggest that it holds keys.", secret), true
	}
	return "", false
}
