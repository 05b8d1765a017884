package catalog_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/sqltext"
)

// privilegeSchema gives rights in every way there is; «x» are roles.
const privilegeSchema = `
GRANT «group» TO «member»; GRANT «top» TO «group»; GRANT «group» TO «noinherit»;
	GRANT «owner» TO «admin» WITH ADMIN OPTION;
GRANT pg_read_all_data TO «reader»; GRANT pg_write_all_data TO «group»;
CREATE SCHEMA s AUTHORIZATION «owner»; CREATE SCHEMA closed; GRANT USAGE ON SCHEMA s TO «member»;
	GRANT CREATE ON SCHEMA s TO «top»;
CREATE TABLE s.a (x int, y int); ALTER TABLE s.a OWNER TO «owner»; GRANT SELECT, TRUNCATE ON s.a TO «top»;
	GRANT TRIGGER ON s.a TO PUBLIC;
CREATE TABLE s.b (x int, y int); GRANT UPDATE (y) ON s.b TO «group»; GRANT SELECT (x) ON s.b TO PUBLIC;
	GRANT REFERENCES ON s.b TO «member» WITH GRANT OPTION;
CREATE TABLE closed.c (x int); GRANT DELETE ON closed.c TO «noinherit»;
CREATE FUNCTION s.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE FUNCTION s.g() RETURNS int LANGUAGE sql AS 'SELECT 1';
REVOKE EXECUTE ON FUNCTION s.g() FROM PUBLIC; GRANT EXECUTE ON FUNCTION s.g() TO «top»;
	ALTER FUNCTION s.f() OWNER TO «owner»;
REVOKE TEMPORARY ON DATABASE «db» FROM PUBLIC; GRANT TEMPORARY ON DATABASE «db» TO «group»;
`

// The server's own answers are the oracle, for every pair of roles.
func TestPrivilegesAgainstServer(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		t.Parallel()
		db := c.New(t)
		sql := strings.ReplaceAll(privilegeSchema, "«db»", db.Name)
		var roles []string
		for name, attributes := range map[string]string{"member": "LOGIN", "group": "", "top": "",
			"noinherit": "LOGIN NOINHERIT",
			"owner":     "", "admin": "LOGIN", "reader": "LOGIN", "super": "SUPERUSER", "nothing": "LOGIN"} {
			role := db.Role(t, name, attributes)
			roles = append(roles, role)
			sql = strings.ReplaceAll(sql, "«"+name+"»", role)
		}
		if c.Major >= 16 {
			extra := `GRANT «top» TO «nothing» WITH INHERIT FALSE, SET FALSE;
				GRANT «owner» TO «reader» WITH INHERIT FALSE, SET TRUE; GRANT «group» TO «admin» WITH INHERIT TRUE, SET FALSE`
			for name, role := range db.Roles {
				extra = strings.ReplaceAll(extra, "«"+name+"»", role)
			}
			sql += extra
		}
		db.Exec(t, sql)
		conn := db.Conn(t, db.URL)
		look := catalog.NewLookup(load(t, conn), nil)
		for _, role := range roles {
			for _, other := range append(roles, "pg_read_all_data", "pg_database_owner") {
				agree(t, conn, look.MemberOf(role, other, catalog.Usage), "pg_has_role($1, $2, 'USAGE')", role, other)
				agree(t, conn, look.MemberOf(role, other, catalog.Member), "pg_has_role($1, $2, 'MEMBER')", role, other)
				if c.Major >= 16 {
					agree(t, conn, look.MemberOf(role, other, catalog.Set), "pg_has_role($1, $2, 'SET')", role, other)
				}
			}
			checkTables(t, conn, look, role)
			for _, schema := range []string{"s", "closed"} {
				for _, privilege := range []string{"USAGE", "CREATE"} {
					agree(t, conn, look.HasSchemaPrivilege(role, schema, privilege), "has_schema_privilege($1, $2, $3)", role,
						schema, privilege)
				}
			}
			for _, name := range []string{"f", "g"} {
				f := look.Functions(catalog.QName{Schema: "s", Name: name})[0]
				agree(t, conn, look.HasFunctionPrivilege(role, f), "has_function_privilege($1, $2, 'EXECUTE')", role,
					"s."+name+"()")
			}
			for _, privilege := range []string{"CREATE", "CONNECT", "TEMPORARY"} {
				agree(t, conn, look.HasDatabasePrivilege(role, privilege), "has_database_privilege($1, current_database(), $2)",
					role, privilege)
			}
		}
	})
}

func checkTables(t *testing.T, conn *pgx.Conn, look *catalog.Lookup, role string) {
	t.Helper()
	for _, name := range []catalog.QName{{Schema: "s", Name: "a"}, {Schema: "s", Name: "b"},
		{Schema: "closed", Name: "c"}} {
		r := look.Relation(name)
		for _, privilege := range []string{"SELECT", "INSERT", "UPDATE", "REFERENCES"} {
			agree(t, conn, look.HasTablePrivilege(role, r, privilege), "has_any_column_privilege($1, $2, $3)", role,
				name.SQL(), privilege)
			agree(t, conn, look.HasColumnPrivilege(role, r, "x", privilege), "has_column_privilege($1, $2, 'x', $3)", role,
				name.SQL(), privilege)
		}
		for _, privilege := range []string{"DELETE", "TRUNCATE", "TRIGGER"} {
			agree(t, conn, look.HasTablePrivilege(role, r, privilege), "has_table_privilege($1, $2, $3)", role,
				name.SQL(), privilege)
		}
	}
}

// agree compares an answer with the server's. The server is asked by a query made of
// literals: the functions are overloaded and take no untyped parameters.
func agree(t *testing.T, conn *pgx.Conn, got bool, call string, args ...string) {
	t.Helper()
	for i, arg := range args {
		call = strings.ReplaceAll(call, "$"+string(rune('1'+i)), sqltext.Literal(arg))
	}
	var want bool
	if err := conn.QueryRow(context.Background(), "SELECT "+call).Scan(&want); err != nil {
		t.Fatalf("%s: %v", call, err)
	}
	if got != want {
		t.Errorf("%s is %v, got %v", call, want, got)
	}
}

// Reach follows what a role can make of itself: each true answer is tried on the
// server.
func TestReach(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		t.Parallel()
		ctx := context.Background()
		db := c.New(t)
		app, creator, owner, middle := db.AppRole(t), db.Role(t, "creator", "LOGIN CREATEROLE"), db.Role(t, "owner", ""),
			db.Role(t, "middle", "")
		sql := "GRANT " + owner + " TO " + middle + " WITH ADMIN OPTION; GRANT " + middle + " TO " + app
		if c.Major >= 16 {
			sql = "GRANT " + owner + " TO " + middle + " WITH ADMIN OPTION, INHERIT FALSE, SET FALSE; GRANT " +
				middle + " TO " + app
		}
		db.Exec(t, sql)
		look := catalog.NewLookup(load(t, db.Conn(t, db.URL)), nil)
		if !look.MemberOf(app, owner, catalog.Reach) {
			t.Error("ADMIN OPTION through a role is not followed")
		}
		if got, want := look.MemberOf(creator, owner, catalog.Reach), c.Major < 16; got != want {
			t.Errorf("CREATEROLE reaches any role: %v, want %v", got, want)
		}
		conn := db.Conn(t, db.As(t, app))
		if _, err := conn.Exec(ctx, "GRANT "+owner+" TO "+app); err != nil {
			t.Fatalf("grant by ADMIN OPTION: %v", err)
		}
		if _, err := conn.Exec(ctx, "SET ROLE "+owner); err != nil {
			t.Errorf("set role: %v", err)
		}
		if c.Major >= 16 { // or the role that granted could not be dropped
			if _, err := conn.Exec(ctx, "RESET ROLE; REVOKE "+owner+" FROM "+app+" GRANTED BY "+middle); err != nil {
				t.Error(err)
			}
		}
	})
}

// From 16 on a membership may give nothing but the right to give it.
func TestReachByAdminOptionAlone(t *testing.T) {
	t.Parallel()
	look := catalog.NewLookup(&catalog.Snapshot{Version: 160000, Memberships: []catalog.Membership{
		{Role: "group", Member: "app", Inherit: true}, {Role: "owner", Member: "group", Admin: true},
		{Role: "closed", Member: "app"},
	}}, nil)
	for role, want := range map[string][4]bool{
		// usage, set, member, reach
		"app": {true, true, true, true}, "group": {true, false, true, false}, "owner": {false, false, true, true},
		"closed": {false, false, true, false},
	} {
		for i, mode := range []catalog.Mode{catalog.Usage, catalog.Set, catalog.Member, catalog.Reach} {
			if got := look.MemberOf("app", role, mode); got != want[i] {
				t.Errorf("app in %s, mode %d: %v, want %v", role, mode, got, want[i])
			}
		}
	}
}
