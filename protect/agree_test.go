package protect

import (
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
)

// Audit and protect give one answer to whether a table's policy isolates it: what audit
// finds no hole in gets no second wall, and what audit reports gets a wall or a question.
func TestAuditAndProtectAgree(t *testing.T) {
	t.Parallel()
	const current = `(SELECT nullif(current_setting('app.current_tenant', true), ''))`
	for name, c := range map[string]struct {
		column, condition string
		isolates          bool
	}{
		"as the column is collated":         {"text", "tenant_id = " + current, true},
		"by C":                              {"text", `(tenant_id COLLATE "C") = ` + current, true},
		"by C on the other side":            {"text", `tenant_id = (` + current + ` COLLATE "C")`, true},
		"by one that knows no case":         {"text", "(tenant_id COLLATE loose) = " + current, false},
		"by one on the other side":          {"text", "tenant_id = (" + current + " COLLATE loose)", false},
		"a column that knows no case":       {"text COLLATE loose", "tenant_id = " + current, false},
		"a column that knows no case, by C": {"text COLLATE loose", `(tenant_id COLLATE "C") = ` + current, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := pgtest.New(t)
			db.Exec(t, `CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
				CREATE TABLE notes (tenant_id `+c.column+` NOT NULL, id int, body text, PRIMARY KEY (tenant_id, id));
				ALTER TABLE notes ENABLE ROW LEVEL SECURITY; ALTER TABLE notes FORCE ROW LEVEL SECURITY;
				CREATE POLICY own ON notes AS RESTRICTIVE USING (`+c.condition+`);
				CREATE POLICY everything ON notes USING (true)`)
			app := db.Role(t, "web", "LOGIN")
			db.Exec(t, "GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO "+app)
			options := tenancy.Options{Column: "tenant_id", Setting: "app.current_tenant", Roles: []string{app}}
			v, err := tenancy.Read(t.Context(), db.Conn(t, db.URL), options)
			if err != nil {
				t.Fatal(err)
			}
			hole := slices.ContainsFunc(audit.Run(v, audit.Options{}).Findings, func(x audit.Finding) bool {
				return strings.HasPrefix(x.Object, "public.notes") && x.Severity.AtLeast(audit.High) &&
					strings.HasPrefix(x.Rule, "policy-")
			})
			plan, err := New(v, Config{})
			if err != nil {
				t.Fatal(err)
			}
			walled := slices.ContainsFunc(plan.Steps, func(s Step) bool { return strings.HasSuffix(s.ID, "/"+policy.Isolation) })
			asked := slices.ContainsFunc(plan.Decisions, func(d Decision) bool { return d.ID == "type/public.notes" })
			if hole == c.isolates {
				t.Errorf("audit finds a hole: %v", hole)
			}
			// A wall over a column that knows no case would be none, and be planned again.
			if ask := !c.isolates && strings.Contains(c.column, "loose"); asked != ask || walled == (c.isolates || ask) {
				t.Errorf("protect plans a wall: %v, and asks about the type: %v", walled, asked)
			}
		})
	}
}
