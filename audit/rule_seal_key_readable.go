package audit

import (
	"fmt"

	"github.com/moat-db/moat/internal/sqltext"
)

var ruleSealKeyReadable = Rule{
	ID: "seal-key-readable", Severity: Critical, Holes: []string{"V20"},
	Title: "A role other than the functions' owner can read or change the keys of sealed mode",
	check: func(f *facts) []Finding {
		r := f.look.Relation(sealKeyTable)
		if r == nil || !f.sealInstalled() {
			return nil
		}
		x := onRelation(r,
			"Whoever reads the keys can sign for any tenant. Whoever writes them can add a key of their own.",
			"The table has privileges other than those of its owner and of the role that the functions run as.")
		x.schema = "" // moat's own schema is of every report
		seen := map[string]bool{r.Owner: true, f.sealOwner(): true}
		for _, p := range r.Privileges {
			if !seen[p.Grantee] {
				seen[p.Grantee] = true
				x = x.with(fmt.Sprintf("REVOKE ALL ON TABLE %s FROM %s", sealKeyTable.SQL(), sqltext.Role(p.Grantee)))
			}
		}
		for i := range r.Columns {
			for _, p := range r.Columns[i].Privileges {
				if !seen[p.Grantee] {
					seen[p.Grantee] = true
					x = x.with(fmt.Sprintf("REVOKE ALL ON TABLE %s FROM %s", sealKeyTable.SQL(), sqltext.Role(p.Grantee)))
				}
			}
		}
		if len(x.Fix) == 0 {
			return nil
		}
		return []Finding{x}
	},
}
