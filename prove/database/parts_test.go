package database_test

import (
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
	"github.com/moat-db/moat/prove/internal/shop"
)

// closedFunctions are two that nobody may execute, and one that always fails.
const closedFunctions = `
CREATE FUNCTION app.support() RETURNS boolean LANGUAGE sql STABLE AS 'SELECT true';
CREATE FUNCTION app.plain(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1';
CREATE FUNCTION app.fails(text) RETURNS text LANGUAGE plpgsql STABLE AS $$BEGIN RAISE EXCEPTION 'no'; END$$;
REVOKE EXECUTE ON FUNCTION app.support(), app.plain(text) FROM PUBLIC;
CREATE TABLE app.keys (id int);`

// An error about the whole of a view hides none of what a part of it shows.
func TestPartsOfViews(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestWritesThroughViews
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		partsOfViews(t, &fixture{shop.On(t, c.New(t), rows, closedFunctions)})
	})
}

func partsOfViews(t *testing.T, f *fixture) {
	t.Helper()
	leads := " FROM app.leads WHERE tenant_id = " + currentTenant
	want := map[string]prove.Verdict{}
	for name, x := range map[string]struct {
		query string
		want  prove.Verdict
	}{
		"branch": {"SELECT 'all' AS part, id, email FROM app.leads UNION ALL SELECT 'support', id, email FROM app.leads " +
			"WHERE app.support()", prove.VerdictLeak},
		"null_branch": {"SELECT NULL::int AS part, email FROM app.leads UNION ALL SELECT 1, app.plain(email) FROM app.leads",
			prove.VerdictLeak},
		"with_tenant": {"SELECT true AS seen, tenant_id, email FROM app.leads UNION ALL SELECT false, tenant_id, email " +
			"FROM app.leads WHERE app.support()", prove.VerdictLeak},
		"column":  {"SELECT app.plain(email) AS email, score FROM app.leads", prove.VerdictLeak},
		"failing": {"SELECT app.fails(email) AS email, score FROM app.leads", prove.VerdictLeak},
		"joined": {"SELECT x.score, s.email FROM app.leads x LEFT JOIN (SELECT tenant_id, id, email FROM app.leads WHERE " +
			"app.support()) s USING (tenant_id, id)", prove.VerdictLeak},
		"own_column": {"SELECT app.plain(email) AS email, score" + leads, prove.VerdictIsolated},
		"own_branch": {"SELECT 'all' AS part, email" + leads + " UNION ALL SELECT 'support', email FROM app.leads WHERE " +
			"app.support()", prove.VerdictUndecided},
		"barred":   {"SELECT id, email FROM app.leads WHERE app.support()", prove.VerdictIsolated},
		"no_right": {"SELECT id FROM app.keys UNION ALL SELECT score FROM app.leads", prove.VerdictIsolated},
	} {
		f.SQL(t, "CREATE VIEW app."+name+" WITH (security_barrier) AS "+x.query+"; GRANT SELECT ON app."+name+" TO $APP;")
		want["view:app."+name] = x.want
	}
	f.SQL(t, "CREATE ROLE "+f.App+"_nobody; GRANT USAGE, CREATE ON SCHEMA app TO "+f.App+"_nobody; "+
		"ALTER VIEW app.no_right OWNER TO "+f.App+"_nobody")
	f.Adopt(f.App + "_nobody")
	r := f.prove(t, database.Options{})
	for id, verdict := range want {
		if p := r.Find(id); p == nil || p.Verdict != verdict {
			t.Errorf("%s: want %s, got %+v", id, verdict, p)
		}
	}
	for _, p := range r.Probes {
		if p.Object == "app.with_tenant" && p.Verdict == prove.VerdictIsolated {
			t.Errorf("%s: %s", p.ID, p.Reason)
		}
	}
}
