package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// attackSchema has what an attacker on the judgement would like to be taken for what it
// seems: operators, casts, row types, views and helpers that are not what they are named.
const attackSchema = `
CREATE TYPE app.comp AS (a int, b int);
CREATE TABLE app.comped (tenant_id uuid NOT NULL, c app.comp NOT NULL);
	INSERT INTO app.comped SELECT id, '(,)' FROM app.tenants;
CREATE FUNCTION app.comp_bool(app.comp) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
	CREATE CAST (app.comp AS boolean) WITH FUNCTION app.comp_bool(app.comp);
CREATE FUNCTION app.yes(uuid, uuid) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR app.= (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = app.yes);
CREATE OPERATOR app.<> (LEFTARG = uuid, RIGHTARG = uuid, FUNCTION = app.yes);
CREATE FUNCTION app.yes2(jsonb, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR app.? (LEFTARG = jsonb, RIGHTARG = text, FUNCTION = app.yes2);
CREATE VIEW app.everyone AS SELECT id AS tenant_id, auth.uid() AS user_id FROM app.tenants;
CREATE FUNCTION app.tz() RETURNS boolean LANGUAGE sql STABLE SET app.current_tenant =
	'bbbbbbbb-0000-0000-0000-000000000002' AS $$ SELECT true $$;
CREATE FUNCTION app.fixed_tenant() RETURNS uuid
	LANGUAGE sql STABLE SET app.current_tenant = 'bbbbbbbb-0000-0000-0000-000000000002' AS $$
	SELECT nullif(current_setting('app.current_tenant', true), '')::uuid $$;
CREATE FUNCTION app.eqpath(t uuid) RETURNS boolean LANGUAGE sql STABLE SET search_path = app, pg_catalog AS $$
	SELECT t = app.tenant() $$;
CREATE FUNCTION app.nullif2(text) RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT app.tenant() UNION ALL SELECT id
	FROM app.tenants ORDER BY 1 DESC LIMIT 1 $$;
CREATE FUNCTION app.current_setting(text, boolean) RETURNS text LANGUAGE sql STABLE AS $$
	SELECT 'bbbbbbbb-0000-0000-0000-000000000002' $$;
CREATE FUNCTION app.shadow_cs() RETURNS uuid LANGUAGE sql STABLE SET search_path = app, pg_catalog AS $$
	SELECT current_setting('app.current_tenant', true)::uuid $$;
CREATE FUNCTION app.shadow_pl(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE
	SET search_path = app, pg_catalog AS $$ BEGIN RETURN t = app.tenant(); END $$;
CREATE FUNCTION app.loop_pl(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ DECLARE x uuid := app.tenant();
	BEGIN FOR x IN SELECT id FROM app.tenants LOOP IF x = t THEN RETURN true; END IF; END LOOP; RETURN false; END $$;
CREATE FUNCTION app.dyn_pl(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ DECLARE x uuid := app.tenant();
	BEGIN EXECUTE 'select $1' INTO x USING t; RETURN x = t; END $$;
CREATE FUNCTION app.assign_param(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN t := app.tenant();
	RETURN t = app.tenant(); END $$;
CREATE FUNCTION app.out_p(t uuid, OUT r boolean) LANGUAGE plpgsql STABLE AS $$ BEGIN r := t = app.tenant(); r := true;
	END $$;
CREATE FUNCTION app.exc(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM 1/0;
	RETURN t = app.tenant(); EXCEPTION WHEN others THEN RETURN true; END $$;
CREATE FUNCTION app.def(t uuid, x uuid DEFAULT app.tenant()) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT t = x $$;
CREATE FUNCTION app.vari(VARIADIC t uuid[]) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT app.tenant() = ANY (t) $$;
CREATE FUNCTION app.lat(t uuid) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT EXISTS (SELECT 1
	FROM app.tenants x LEFT JOIN LATERAL (SELECT 1 AS o WHERE t = app.tenant()) y ON true) $$;
CREATE FUNCTION app.setof_b(t uuid) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT t = app.tenant() UNION ALL
	SELECT true ORDER BY 1 DESC $$;
CREATE FUNCTION app.two_stmt(t uuid) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT t = app.tenant(); SELECT true $$;
CREATE FUNCTION app.into_two(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ DECLARE a uuid; b uuid;
	BEGIN SELECT app.tenant(), t INTO b, a; RETURN a = t; END $$;
CREATE FUNCTION app.nested_into() RETURNS uuid LANGUAGE plpgsql STABLE AS $$ DECLARE x uuid;
	BEGIN SELECT m.tenant_id INTO x FROM app.membership m WHERE m.user_id = auth.uid();
	IF NOT FOUND THEN SELECT id INTO x FROM app.tenants ORDER BY id DESC LIMIT 1; END IF; RETURN x; END $$;
CREATE FUNCTION app.whileq(t uuid) RETURNS boolean
	LANGUAGE plpgsql STABLE AS $$ DECLARE ok boolean := t = app.tenant(); BEGIN WHILE NOT ok LOOP ok := true; END LOOP;
	RETURN ok; END $$;
CREATE FUNCTION app.nullbool(t uuid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ DECLARE m boolean;
	BEGIN m := t = app.tenant() AND NULL; IF m IS FALSE THEN RETURN false; END IF; RETURN true; END $$;
CREATE FUNCTION app.notnull(t uuid) RETURNS boolean
	LANGUAGE plpgsql STABLE AS $$ BEGIN IF NOT (t = app.tenant()) IS TRUE THEN RETURN false; END IF; RETURN true; END $$;
CREATE TABLE app.dashed (tenant_id text NOT NULL);
	INSERT INTO app.dashed VALUES ('-bbbbbbbb'), ('aaaaaaaa-0000-0000-0000-000000000001');
`

// attack is an expression that looks as if it isolated.
type attack struct{ table, expr string }

// openAttacks show other tenants' rows: none may be judged isolating.
func openAttacks() []attack {
	return []attack{
		{"doc", `tenant_id = ` + setting + ` OR '(,)'::app.comp IS NULL`},
		{"comped", `tenant_id = ` + setting + ` OR c IS NULL`},
		{"comped", `tenant_id = ` + setting + ` OR NOT (c IS NOT NULL)`},
		{"doc", `tenant_id = ` + setting + ` OR (NULL::app.comp)::boolean`},
		{"doc", `tenant_id IN (SELECT tenant_id FROM app.everyone WHERE user_id = auth.uid())`},
		{"doc", `EXISTS (SELECT 1 FROM app.everyone e WHERE e.tenant_id = doc.tenant_id AND e.user_id = auth.uid())`},
		{"doc", `app.fixed_tenant() = tenant_id`},
		{"doc", `app.eqpath(tenant_id)`},
		{"doc", `app.shadow_pl(tenant_id)`},
		{"doc", `tenant_id = app.shadow_cs()`},
		{"dashed", `tenant_id = coalesce(nullif(current_setting('app.current_tenant', true), ''), '-bbbbbbbb')`},
	}
}

// attacks may isolate or not: those that are judged isolating must.
func attacks() []attack {
	return []attack{
		{"comped", `tenant_id = ` + setting + ` OR c IS NOT DISTINCT FROM '(,)'::app.comp`},
		{"doc", `tenant_id = ` + setting + ` OR tenant_id OPERATOR(app.<>) tenant_id`},
		{"doc", `tenant_id OPERATOR(app.=) ANY (ARRAY(SELECT ` + setting + `))`},
		{"doc", `tenant_id OPERATOR(app.=) ANY (SELECT ` + setting + `)`},
		{"doc", `NOT (tenant_id IS DISTINCT FROM ` + setting + `) OR ROW(1,NULL) IS NULL`},
		{"doc", `(auth.jwt() -> 'app_metadata' -> 'tenants') OPERATOR(app.?) tenant_id::text`},
		{"doc", `tenant_id = app.nullif2('x')`},
		{"doc", `tenant_id = app.current_setting('app.current_tenant', true)::uuid`},
		{"doc", `app.loop_pl(tenant_id)`},
		{"doc", `app.dyn_pl(tenant_id)`},
		{"doc", `app.assign_param(tenant_id)`},
		{"doc", `app.out_p(tenant_id)`},
		{"doc", `app.exc(tenant_id)`},
		{"doc", `app.def(tenant_id, tenant_id)`},
		{"doc", `app.def(tenant_id)`},
		{"doc", `app.vari(tenant_id, app.tenant())`},
		{"doc", `app.lat(tenant_id)`},
		{"doc", `app.setof_b(tenant_id)`},
		{"doc", `app.two_stmt(tenant_id)`},
		{"doc", `app.into_two(tenant_id)`},
		{"doc", `tenant_id = app.nested_into()`},
		{"doc", `app.whileq(tenant_id)`},
		{"doc", `app.nullbool(tenant_id)`},
		{"doc", `app.notnull(tenant_id)`},
		{"doc", `tenant_id = ANY (ARRAY[` + setting + `, tenant_id])`},
		{"doc", `tenant_id = ALL (ARRAY(SELECT ` + setting + ` WHERE false))`},
		{"doc", `tenant_id = ALL (SELECT ` + setting + ` WHERE false)`},
		{"doc", `(tenant_id = ` + setting + `) IS NOT FALSE`},
		{"doc", `(tenant_id = ` + setting + `) IS UNKNOWN`},
		{"doc", `(tenant_id = ` + setting + `) IS NOT TRUE`},
		{"doc", `coalesce(tenant_id = ` + setting + `, true)`},
		{"doc", `coalesce(NULL, tenant_id = ` + setting + `, true)`},
		{"doc", `CASE tenant_id WHEN ` + setting + ` THEN true ELSE true END`},
		{"doc", `CASE WHEN tenant_id = ` + setting + ` THEN false ELSE true END`},
		{"doc", `CASE WHEN tenant_id <> ` + setting + ` THEN tenant_id = ` + setting + ` ELSE true END`},
		{"doc", `tenant_id = CASE WHEN is_public THEN ` + setting + ` ELSE tenant_id END`},
		{"doc", `tenant_id = nullif(tenant_id, ` + setting + `)`},
		{"doc", `tenant_id = greatest(` + setting + `, tenant_id)`},
		{"doc", `tenant_id IN (SELECT ` + setting + ` UNION SELECT id FROM app.tenants)`},
		{"doc", `tenant_id IN (SELECT id FROM app.tenants EXCEPT SELECT ` + setting + `)`},
		{"doc", `tenant_id = (SELECT max(id::text)::uuid FROM app.tenants)`},
		{"doc", `tenant_id = (SELECT coalesce(max(tenant_id::text), 'bbbbbbbb-0000-0000-0000-000000000002')::uuid
			FROM app.membership WHERE user_id = auth.uid())`},
		{"doc", `tenant_id = (SELECT lag(m.tenant_id) OVER () FROM app.membership m WHERE m.user_id = auth.uid())`},
		{"doc", `tenant_id IN (SELECT m.tenant_id FROM app.users u LEFT JOIN app.membership m ON u.id = auth.uid())`},
		{"doc", `tenant_id IN (SELECT m.tenant_id FROM app.membership m LEFT JOIN app.users u ON u.id = m.user_id
			AND m.user_id = auth.uid())`},
		{"doc", `tenant_id IN (SELECT m.tenant_id FROM app.membership m FULL JOIN app.users u ON m.user_id = auth.uid())`},
		{"doc", `tenant_id IN (SELECT x FROM app.membership m, unnest(ARRAY[m.tenant_id,
			'bbbbbbbb-0000-0000-0000-000000000002']) x WHERE m.user_id = auth.uid())`},
		{"doc", `tenant_id IN (VALUES (` + setting + `), ('bbbbbbbb-0000-0000-0000-000000000002'))`},
		{"doc", `tenant_id IN (WITH w AS (SELECT id FROM app.tenants) SELECT id FROM w)`},
		{"doc", `tenant_id = ANY ((SELECT array_agg(tenant_id) FILTER (WHERE user_id = auth.uid()) || array_agg(tenant_id)
			FROM app.membership)::uuid[])`},
		{"doc", `(tenant_id, true) = (` + setting + `, true) OR (tenant_id, id) <> (tenant_id, tenant_id)`},
		{"doc", `(tenant_id, id) >= (` + setting + `, id)`},
		{"doc", `(tenant_id, id) IN (SELECT d.tenant_id, d.id FROM app.doc d)`},
		{"doc", `(tenant_id, user_id) IN (SELECT m.user_id, m.tenant_id FROM app.membership m WHERE m.user_id = auth.uid())`},
		{"doc", `(auth.jwt() #>> '{user_metadata,tenant_id}')::uuid = tenant_id`},
		{"doc", `(auth.jwt() #>> ARRAY['user_metadata', 'tenant_id'])::uuid = tenant_id`},
		{"doc", `((auth.jwt())['user_metadata'] ->> 'tenant_id')::uuid = tenant_id`},
		{"doc", `jsonb_extract_path_text(auth.jwt(), 'user_metadata', 'tenant_id')::uuid = tenant_id`},
		{"doc", `(current_setting('request.jwt.claim.user_metadata', true)::jsonb ->> 'tenant_id')::uuid = tenant_id`},
		{"doc", `NOT EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = doc.tenant_id AND m.user_id = auth.uid())`},
		{"users", `id = ANY (ARRAY(SELECT m.user_id FROM app.membership m WHERE m.tenant_id = ` + setting +
			` OR m.role = 'admin'))`},
		{"users", `id IN (SELECT o.user_id FROM app.membership m, app.membership o WHERE m.tenant_id = ` + setting + `)`},
		{"users", `id IN (SELECT d.owner_id FROM app.doc d WHERE d.tenant_id = ` + setting + `)`},
	}
}

// hostileSettings are a tenant and claims, as a client may send them.
func hostileSettings() [][2]string {
	const a, b = "aaaaaaaa-0000-0000-0000-000000000001", "bbbbbbbb-0000-0000-0000-000000000002"
	claims := `{"sub": "cccccccc-0000-0000-0000-000000000003", "tenant_id": "` + a + `",
		"user_metadata": {"tenant_id": "` + b + `"}, "app_metadata": {"tenants": ["` + a + `"]}}`
	return [][2]string{{a, claims}, {"", ""}, {"", "{}"}}
}

// Expressions that show another tenant's rows are not judged isolating, whatever they
// look like, and what is judged isolating shows none.
func TestJudgeUnderAttack(t *testing.T) {
	t.Parallel()
	for name, x := range attackGroups() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x.try(t)
		})
	}
}

// attackGroup is a schema and what looks there as if it isolated. The open ones show
// other tenants' rows; the closed ones must be judged isolating, or the others are
// refused for a reason that has nothing to do with them.
type attackGroup struct {
	schema              string
	open, other, closed []attack
}

func (x attackGroup) try(t *testing.T) {
	db := pgtest.New(t)
	role := db.AppRole(t)
	ids := strings.NewReplacer("«A»", "'aaaaaaaa-0000-0000-0000-000000000001'::uuid",
		"«B»", "'bbbbbbbb-0000-0000-0000-000000000002'::uuid", "«U»", "'cccccccc-0000-0000-0000-000000000003'::uuid",
		"«W»", "'dddddddd-0000-0000-0000-000000000004'::uuid", "{{app}}", role)
	db.Exec(t, judgeSchema+ids.Replace(soundnessRows)+ids.Replace(x.schema))
	db.Exec(t, "GRANT ALL ON ALL TABLES IN SCHEMA app TO "+role+"; GRANT USAGE ON SCHEMA app, auth TO "+role)
	all := slices.Concat(x.open, x.other, x.closed)
	for i, x := range all {
		db.Exec(t, fmt.Sprintf("CREATE POLICY z%03d ON app.%s USING (%s)", i, x.table, x.expr))
	}
	look := view(t, db, judgeModel())
	for i, a := range all {
		isolates := judged(look, a.table, fmt.Sprintf("z%03d", i))
		if !isolates && i >= len(x.open)+len(x.other) {
			t.Errorf("not judged isolating, so that the others try nothing: %s on %s", a.expr, a.table)
		}
		if !isolates && i >= len(x.open) {
			continue
		}
		foreign := foreignRows(t, db, role, a)
		switch {
		case isolates && foreign > 0:
			t.Errorf("judged isolating, and shows %d rows of others: %s on %s", foreign, a.expr, a.table)
		case i < len(x.open) && foreign == 0:
			t.Errorf("shows nothing, so it tries nothing: %s on %s", a.expr, a.table)
		}
	}
}

// judged says whether the policy of that name is judged isolating.
func judged(look *policy.View, table, name string) bool {
	r := look.Relation(catalog.QName{Schema: "app", Name: table})
	for _, p := range r.Policies {
		if p.Name == name {
			return look.Judge(p.Using, r).Isolates
		}
	}
	return false
}

// foreignRows counts what the application role sees of others where the expression is
// the table's only policy, and no other table has any.
func foreignRows(t *testing.T, db *pgtest.Database, role string, x attack) (foreign int) {
	t.Helper()
	conn := db.Conn(t, db.URL)
	for _, s := range hostileSettings() {
		tx, err := conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		alone := fmt.Sprintf(`DO $d$ DECLARE p record; BEGIN
			FOR p IN SELECT policyname, tablename FROM pg_policies WHERE schemaname = 'app' AND policyname ~ '^z' LOOP
				EXECUTE format('DROP POLICY %%I ON app.%%I', p.policyname, p.tablename);
			END LOOP; END $d$;
			CREATE POLICY z ON app.%[1]s USING (%[2]s); ALTER TABLE app.%[1]s ENABLE ROW LEVEL SECURITY; SET LOCAL ROLE %[3]s`,
			x.table, x.expr, sqltext.Ident(role))
		if _, err := conn.PgConn().Exec(t.Context(), alone).ReadAll(); err != nil {
			t.Fatalf("%s: %v", x.expr, err)
		}
		if _, err := tx.Exec(t.Context(),
			`SELECT set_config('app.current_tenant', $1, true), set_config('request.jwt.claims', $2, true)`,
			s[0], s[1]); err != nil {
			t.Fatal(err)
		}
		var n int
		count := "SELECT count(*) FROM app." + x.table + " AS x WHERE x::text LIKE '%bbbbbbbb%' OR x::text LIKE '%dddddddd%'"
		if err := tx.QueryRow(t.Context(), count).Scan(&n); err == nil { // an expression may raise: it shows nothing then
			foreign += n
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return foreign
}
