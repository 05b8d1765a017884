package audit

import (
	"fmt"
	"strings"

	"github.com/moat-db/moat/internal/english"
	"github.com/moat-db/moat/internal/list"
)

var ruleRLSHidesFromMigration = Rule{
	ID: "rls-hides-from-migration", Severity: Medium, Kind: Outage,
	Title: "Policies hide the rows that a migration reads or changes",
	check: func(f *facts) []Finding {
		byTable := map[string][]HiddenRows{}
		var out []Finding
		for _, h := range f.o.Evidence.Hidden {
			name := h.Table.String()
			byTable[name] = append(byTable[name], h)
			if len(byTable[name]) == 1 {
				out = append(out, Finding{Object: name, Group: name, schema: h.Table.Schema, File: h.File, Line: h.Line})
			}
		}
		for i := range out {
			out[i] = f.hidesFromMigration(out[i], byTable[out[i].Object])
		}
		return out
	},
}

func (f *facts) hidesFromMigration(x Finding, at []HiddenRows) Finding {
	places := list.Map(at, func(h HiddenRows) string { return fmt.Sprintf("%s:%d", h.File, h.Line) })
	x.Message = fmt.Sprintf("%s in the migrations (%s) and no row of the table: UPDATE and DELETE change 0 rows without "+
		"an error, INSERT … SELECT copies none, and INSERT is refused.",
		english.Count(len(at), "statement meets policies", "statements meet policies"), strings.Join(places, ", "))
	x.Why = "By then row-level security is on, and forced for the owner too; the role that migrates has no tenant."
	return x.decide("Run such migrations as a role with BYPASSRLS (docs/how-to/migrate-after-protect.md), and say so in " +
		"moat.yaml: roles.migrator names the operator.")
}
