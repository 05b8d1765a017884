// Package roles is the one list of the roles that moat makes, by the names they have
// unless moat.yaml gives others.
package roles

// The roles. docs/explanation/roles.md says what each may do.
const (
	Owner       = "moat_owner"    // owns the tables; row-level security is forced on it
	Application = "moat_app"      // serves; owns nothing, and policies bind it
	Tree        = "moat_tree"     // the application becomes it to see what is below its tenant
	Operator    = "moat_operator" // BYPASSRLS, for migrations, backfills and exports
	Definer     = "moat_definer"  // BYPASSRLS, owns generated functions; nobody logs in as it
	Sealer      = "moat_sealer"   // owns the functions and the keys of sealed mode
)

// NotApplications are those that no program serves requests as.
func NotApplications() []string { return []string{Owner, Operator, Definer, Sealer} }
