package policy_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/sqltext"
)

// effectiveCases are policies on a table, and the commands that they leave open to
// the application role: "write" means a row can be planted.
func effectiveCases() []struct{ name, policies, open string } {
	const tenant = `(tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid))`
	const all = `CREATE POLICY iso ON t USING ` + tenant + `;`
	return []struct{ name, policies, open string }{
		{"one policy", all, ""},
		{"none", ``, ""},
		{"restrictive and true", `CREATE POLICY r ON t AS RESTRICTIVE USING ` + tenant + `; CREATE POLICY p ON t
			USING (true)`, ""},
		{"restrictive alone", `CREATE POLICY r ON t AS RESTRICTIVE USING ` + tenant, ""},
		{"a later permissive one", `CREATE POLICY r ON t AS RESTRICTIVE USING ` + tenant + `; CREATE POLICY p ON t
			USING (true) WITH CHECK (true)`, ""},
		{"P01 update true", `CREATE POLICY s ON t FOR SELECT USING ` + tenant + `; CREATE POLICY u ON t FOR UPDATE
			USING (true)`, "UPDATE UPDATE-write"},
		{"P02 delete true", all + `CREATE POLICY d ON t FOR DELETE USING (true)`, "DELETE"},
		{"P03 published", all + `CREATE POLICY pub ON t FOR SELECT USING (body = 'public')`, "SELECT"},
		{"P05 check true", `CREATE POLICY iso ON t USING ` + tenant + ` WITH CHECK (true)`, "INSERT-write UPDATE-write"},
		{"P08 importer", all + `CREATE POLICY imp ON t USING (false) WITH CHECK (true)`, "INSERT-write UPDATE-write"},
		{"P09 restrictive for select", `CREATE POLICY r ON t AS RESTRICTIVE FOR SELECT USING ` + tenant + `;
			CREATE POLICY p ON t USING (true)`,
			"INSERT-write UPDATE UPDATE-write DELETE"},
		{"P10 restrictive to another", `CREATE POLICY r ON t AS RESTRICTIVE TO «other» USING ` + tenant + `;
			CREATE POLICY p ON t USING (true)`,
			"SELECT INSERT-write UPDATE UPDATE-write DELETE"},
		{"P11 a group's", all + `CREATE POLICY g ON t FOR SELECT TO «group» USING (true)`, "SELECT"},
		{"another role's", all + `CREATE POLICY g ON t FOR SELECT TO «other» USING (true)`, ""},
		{"P35 restrictive without expression", `CREATE POLICY r ON t AS RESTRICTIVE; CREATE POLICY p ON t USING (true)`,
			"SELECT INSERT-write UPDATE UPDATE-write DELETE"},
		{"P36 only checked", `CREATE POLICY p ON t USING (true) WITH CHECK ` + tenant, "SELECT UPDATE DELETE"},
		{"N06 insert without check", all + `CREATE POLICY i ON t FOR INSERT`, ""},
		{"N07 without expression", all + `CREATE POLICY i ON t`, ""},
		{"own rows to read", `CREATE POLICY o ON t FOR SELECT USING (user_id = nullif(current_setting('app.user_id',
			true), '')::uuid)`, ""},
		{"own rows to write", `CREATE POLICY o ON t USING (user_id = nullif(current_setting('app.user_id', true),
			'')::uuid)`, "INSERT-write UPDATE-write"},
	}
}

func TestEffective(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	app, group, other := db.AppRole(t), db.Role(t, "group", ""), db.Role(t, "other", "")
	db.Exec(t, "GRANT "+group+" TO "+app)
	names := strings.NewReplacer("«group»", group, "«other»", other)
	for _, c := range effectiveCases() {
		schema := sqltext.Ident(c.name)
		db.Exec(t, "CREATE SCHEMA "+schema+"; SET search_path = "+schema+";"+
			"CREATE TABLE t (tenant_id uuid NOT NULL, user_id uuid, body text);"+
			"ALTER TABLE t ENABLE ROW LEVEL SECURITY; "+names.Replace(c.policies))
	}
	look := view(t, db, &catalog.Model{Column: "tenant_id", Setting: "app.current_tenant"})
	for _, c := range effectiveCases() {
		r := look.Relation(catalog.QName{Schema: c.name, Name: "t"})
		var open []string
		for _, command := range []string{"SELECT", "INSERT", "UPDATE", "DELETE"} {
			e := look.Effective(r, app, command)
			if e.Denied || e.Bypass != "" {
				continue
			}
			if !e.Rows {
				open = append(open, command)
			}
			if !e.Written {
				open = append(open, command+"-write")
			}
		}
		if diff := cmp.Diff(c.open, strings.Join(open, " ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestEffectiveBypass(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	owner, member := db.Role(t, "owner", ""), db.Role(t, "member", "LOGIN")
	bypass, app := db.Role(t, "bypass", "LOGIN BYPASSRLS"), db.AppRole(t)
	db.Exec(t, `CREATE TABLE a (tenant_id int); CREATE TABLE forced (tenant_id int); CREATE TABLE plain (tenant_id int);
		ALTER TABLE a ENABLE ROW LEVEL SECURITY; ALTER TABLE forced ENABLE ROW LEVEL SECURITY;
			ALTER TABLE forced FORCE ROW LEVEL SECURITY;
		GRANT `+owner+` TO `+member+`; ALTER TABLE a OWNER TO `+owner+`; ALTER TABLE forced OWNER TO `+owner)
	look := view(t, db, &catalog.Model{Column: "tenant_id", Setting: "app.current_tenant"})
	for _, c := range []struct {
		table, role string
		want        string
	}{
		{"a", owner, "owner of a table without FORCE ROW LEVEL SECURITY"},
		{"a", member, "owner of a table without FORCE ROW LEVEL SECURITY"},
		{"a", bypass, "BYPASSRLS"}, {"a", "postgres", "superuser"}, {"a", app, ""},
		{"forced", owner, ""}, {"forced", bypass, "BYPASSRLS"}, {"plain", app, "row-level security is not enabled"},
	} {
		if look.Role(c.role) == nil {
			continue // the cluster's superuser has another name
		}
		e := look.Effective(look.Relation(catalog.QName{Schema: "public", Name: c.table}), c.role, "SELECT")
		if e.Bypass != c.want || e.Isolated() != (c.want == "") {
			t.Errorf("%s on %s: %+v, want %q", c.role, c.table, e, c.want)
		}
	}
}
