package audit_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

// sharedKeys are the findings about clean schemas with unique keys that do not include
// the tenant, on a release that reads rows by them.
var sharedKeys = map[string][]string{
	"bigint": {"key-surrogate app.projects.projects_pkey", "key-surrogate app.tasks.tasks_pkey",
		"cve-2026-120154 server"},
	"supabase": {"cve-2026-120154 server"},
}

// Schemas that are right must not raise an alarm, however they spell it.
func TestCleanSchemas(t *testing.T) {
	t.Parallel()
	tests := map[string]map[string]string{
		"moat":   {"app": "LOGIN", "owner": "NOLOGIN", "definer": "NOLOGIN BYPASSRLS"},
		"bigint": {"app": "LOGIN", "owner": "NOLOGIN"},
		"supabase": {"anon": "NOLOGIN", "authenticated": "NOLOGIN", "service": "NOLOGIN BYPASSRLS",
			"authenticator": "LOGIN NOINHERIT"},
	}
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		for name, roles := range tests {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				db := setUpClean(t, c, name, roles)
				var want []string
				if slices.Contains(audit.Flaws(c.Version), upsertFlaw) {
					want = slices.Clone(sharedKeys[name])
					if c.Major < 15 { // everybody may create operators in schema public
						want = append(want, "cve-2026-116327 server")
					}
				}
				slices.Sort(want)
				for _, given := range []tenancy.Options{{}, {Roles: applicationRoles(db)}} {
					alarms := slices.DeleteFunc(runAs(t, db.Conn(t, db.URL), given, "").Findings, func(x audit.Finding) bool {
						return !x.Severity.AtLeast(audit.Medium) || strings.HasPrefix(x.Rule, "release-")
					})
					var got []string
					for _, x := range alarms {
						got = append(got, x.Rule+" "+x.Object)
					}
					slices.Sort(got)
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("roles given: %v; %s%s", given.Roles, diff, describe(alarms))
					}
				}
			})
		}
	})
}

func setUpClean(t *testing.T, c *pgtest.Cluster, name string, roles map[string]string) *pgtest.Database {
	t.Helper()
	text, err := os.ReadFile("testdata/clean/" + name + ".sql")
	if err != nil {
		t.Fatal(err)
	}
	db := c.New(t)
	sql := string(text)
	for prefix, attributes := range roles {
		sql = strings.ReplaceAll(sql, "{{"+prefix+"}}", db.Role(t, prefix, attributes))
	}
	db.Exec(t, sql)
	return db
}

// applicationRoles are the roles that a program of this schema runs as.
func applicationRoles(db *pgtest.Database) []string {
	if app := db.Roles["app"]; app != "" {
		return []string{app}
	}
	return []string{db.Roles["anon"], db.Roles["authenticated"]}
}

// The clean schema stays clean only as long as its policies are there: a test that
// cannot fail proves nothing.
func TestCleanSchemaBroken(t *testing.T) {
	t.Parallel()
	c := pgtest.Shared(t)
	db := setUpClean(t, c, "bigint", map[string]string{"app": "LOGIN", "owner": "NOLOGIN"})
	db.Exec(t, `DROP POLICY tasks_all ON app.tasks;
		CREATE POLICY tasks_all ON app.tasks USING (project_id = app.current_account_id())`)
	if len(alarming(runAs(t, db.Conn(t, db.URL), tenancy.Options{}, ""))) == 0 {
		t.Error("a policy on the wrong column raises no alarm")
	}
}
