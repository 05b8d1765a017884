package audit

import (
	"fmt"
	"slices"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/seal"
)

var ruleSealFunction = Rule{
	ID: "seal-function", Severity: Critical,
	Title: "A function of sealed mode differs from the one that moat installs",
	check: func(f *facts) []Finding {
		if !f.sealInstalled() {
			return nil
		}
		bodies := seal.Bodies(f.m.Setting)
		var out []Finding
		for _, name := range sealFunctions {
			for _, fn := range f.look.Functions(catalog.QName{Schema: sealedTenant.Schema, Name: name}) {
				x := onFunction(fn, "Policies accept whatever tenant the function returns.", "")
				x.schema = "" // moat's own schema is of every report
				if x.Why = f.sealFlaw(fn, bodies[name]); x.Why != "" {
					out = append(out, x.decide("Find out who changed it. moat seal key new --apply reinstalls the functions of "+
						"this version and revokes every other privilege on them."))
				} else if slices.ContainsFunc(fn.Privileges, func(p catalog.Privilege) bool { return p.Grantee == "" }) {
					x.Message = "Every role can call the function."
					x.Why = "PUBLIC has EXECUTE on it, but only the application needs it."
					out = append(out, x.at(Low).with(fmt.Sprintf("REVOKE ALL ON FUNCTION %s FROM PUBLIC", functionSQL(fn))))
				}
			}
		}
		return out
	},
}

// sealFlaw says what is wrong with a function of sealed mode, "" for nothing.
func (f *facts) sealFlaw(fn *catalog.Function, body string) string {
	owner := f.look.Role(fn.Owner)
	switch {
	case fn.Body != body:
		return "Its text differs from that of this version of moat."
	case !fn.Definer || fn.Language != "plpgsql":
		return "It does not run with its owner's rights."
	case !slices.Contains(fn.Settings, "search_path=pg_catalog, pg_temp"):
		return "Its search_path is not fixed, so a caller's objects can take the place of PostgreSQL's."
	case owner != nil && (owner.Super || owner.BypassRLS || owner.Login):
		return fmt.Sprintf("Its owner, %s, can log in or bypasses row-level security.", fn.Owner)
	}
	for _, app := range f.apps {
		if app == fn.Owner || f.look.Joined(app, fn.Owner, catalog.Use) {
			return fmt.Sprintf("%s can become its owner, %s.", app, fn.Owner)
		}
	}
	return ""
}
