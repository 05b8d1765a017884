package audit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

var ruleKeyExclude = Rule{
	ID: "key-exclude", Severity: High, Holes: []string{"O02"},
	Title: "An exclusion constraint compares rows of different tenants",
	check: each(keyedTables, func(f *facts, r *catalog.Relation, report reporter) {
		own := f.tenantColumn(r.QName())
		for c := range catalog.Each(r.Constraints) {
			if c.Type != catalog.Exclude || c.Inherited || excludes(c, own) {
				continue
			}
			x := onPart(r, c.Name,
				"A conflict reveals that another tenant's row is in the way, and repeated attempts narrow down its bounds.",
				fmt.Sprintf("The constraint compares rows of all tenants, because it lacks %s WITH =.", own))
			if sql := excludeSQL(r, c, own); sql != nil {
				x = x.with(sql...)
			} else {
				x = x.decide("Add %s WITH = to the constraint.", own)
			}
			report(x)
		}
	}),
}

func excludes(c *catalog.Constraint, own string) bool {
	i := slices.Index(c.Columns, own)
	return i >= 0 && (i >= len(c.Operators) || c.Operators[i] == "=" || strings.HasSuffix(c.Operators[i], ".="))
}

// excludeSQL puts the tenant in front of the constraint's elements. GiST has no
// equality of plain types by itself: btree_gist brings it.
func excludeSQL(r *catalog.Relation, c *catalog.Constraint, own string) []string {
	at := strings.Index(c.Definition, "(")
	if at < 0 || !strings.HasPrefix(c.Definition, "EXCLUDE USING gist") {
		return nil
	}
	def := c.Definition[:at+1] + sqltext.Ident(own) + " WITH =, " + c.Definition[at+1:]
	return append([]string{"CREATE EXTENSION IF NOT EXISTS btree_gist"}, replaceConstraintSQL(r, c.Name, def)...)
}
