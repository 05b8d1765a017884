package audit_test

import (
	"os"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

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
				for _, given := range []tenancy.Options{{}, {Roles: applicationRoles(db)}} {
					if alarms := alarming(runAs(t, db.Conn(t, db.URL), given, "")); len(alarms) > 0 {
						t.Errorf("roles given: %v; false alarm:%s", given.Roles, describe(alarms))
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
