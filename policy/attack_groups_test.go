package policy_test

// attackGroups are attacks that need a schema of their own: what one of them makes would
// have the others refused.
func attackGroups() map[string]attackGroup {
	return map[string]attackGroup{
		"names":     {schema: attackSchema, open: openAttacks(), other: attacks()},
		"operators": operatorAttacks(),
		"helpers":   helperAttacks(),
		"paths":     pathAttacks(),
		"parents":   parentAttacks(),
	}
}

// operatorAttacks have operators that fit better than PostgreSQL's own, which a path finds
// although pg_catalog comes first.
func operatorAttacks() attackGroup {
	return attackGroup{
		schema: `
			CREATE TABLE app.vc (tenant_id varchar NOT NULL); INSERT INTO app.vc SELECT id::text FROM app.tenants;
			CREATE FUNCTION public.yes(varchar, varchar) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
			CREATE OPERATOR public.= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = public.yes);
			CREATE FUNCTION app.fits_better(t varchar) RETURNS boolean LANGUAGE sql STABLE SET search_path = public AS $$
				SELECT t = nullif(current_setting('app.current_tenant', true), '')::varchar $$;
			CREATE FUNCTION app.callers_path(t varchar) RETURNS boolean LANGUAGE sql STABLE AS $$
				SELECT t = nullif(current_setting('app.current_tenant', true), '')::varchar $$;
			CREATE FUNCTION app.fits_pl(t varchar) RETURNS boolean LANGUAGE plpgsql STABLE
				SET search_path = pg_catalog, public AS $$ BEGIN
				RETURN t = nullif(current_setting('app.current_tenant', true), '')::varchar; END $$;
			CREATE FUNCTION app.closed_path(t varchar) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
				SELECT t = nullif(current_setting('app.current_tenant', true), '')::varchar $$;`,
		open: []attack{
			{"vc", `app.fits_better(tenant_id)`},
			{"vc", `app.callers_path(tenant_id)`},
			{"vc", `app.fits_pl(tenant_id)`},
			{"vc", `tenant_id OPERATOR(public.=) current_setting('app.current_tenant', true)::varchar`},
		},
		closed: []attack{{"vc", `app.closed_path(tenant_id)`}},
	}
}

// helperAttacks have helpers that are known by their names and do something else.
func helperAttacks() attackGroup {
	return attackGroup{
		schema: `
			CREATE OR REPLACE FUNCTION auth.uid() RETURNS uuid LANGUAGE plpgsql STABLE AS $$ DECLARE r uuid;
				BEGIN EXECUTE 'SELECT max(user_id::text)::uuid FROM app.membership' INTO r; RETURN r; END $$;
			CREATE OR REPLACE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE plpgsql STABLE AS $$ DECLARE r jsonb;
				BEGIN EXECUTE 'SELECT jsonb_build_object(''tenant_id'', max(id::text)) FROM app.tenants' INTO r; RETURN r; END $$;
			CREATE FUNCTION app.elsewhere(t uuid) RETURNS boolean LANGUAGE sql STABLE AS $$
				SELECT EXISTS (SELECT FROM app.membership m WHERE m.tenant_id = t AND m.user_id = auth.uid()) $$;`,
		open: []attack{
			{"doc", `tenant_id IN (SELECT m.tenant_id FROM app.membership m WHERE m.user_id = auth.uid())`},
			{"doc", `tenant_id = (SELECT (auth.jwt() ->> 'tenant_id')::uuid)`},
			{"doc", `owner_id = auth.uid()`},
			{"doc", `app.elsewhere(tenant_id)`},
			{"doc", `app.elsewhere(tenant_id) = true`},
			{"users", `id = (SELECT auth.uid())`},
		},
		closed: []attack{{"doc", `tenant_id = app.tenant()`}},
	}
}

// pathAttacks have two functions of one name, of which the caller's path finds either.
func pathAttacks() attackGroup {
	return attackGroup{
		schema: `
			SET check_function_bodies = off; CREATE SCHEMA other; GRANT USAGE ON SCHEMA other TO {{app}};
			CREATE FUNCTION other.tenant() RETURNS uuid LANGUAGE sql STABLE AS $$ SELECT «B» $$;
			CREATE FUNCTION app.unpathed(t uuid) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT t = tenant() $$;
			CREATE FUNCTION app.pathed(t uuid) RETURNS boolean LANGUAGE sql STABLE SET search_path = app AS $$
				SELECT t = tenant() $$;
			DO $d$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = other, app', current_database()); END $d$;`,
		open:   []attack{{"doc", `app.unpathed(tenant_id)`}, {"doc", `(SELECT other.tenant()) = tenant_id`}},
		closed: []attack{{"doc", `app.pathed(tenant_id)`}},
	}
}

// parentAttacks follow a parent whose policies keep nothing apart.
func parentAttacks() attackGroup {
	return attackGroup{
		schema: `
			ALTER TABLE app.doc ENABLE ROW LEVEL SECURITY; CREATE POLICY everything ON app.doc TO {{app}} USING (true);
			ALTER TABLE app.projects ENABLE ROW LEVEL SECURITY;
			CREATE POLICY round_a ON app.projects USING (EXISTS (SELECT 1 FROM app.doc d WHERE d.project_id = projects.id));
			CREATE TABLE app.note (id uuid, project_id uuid REFERENCES app.projects);
			INSERT INTO app.note SELECT id, id FROM app.projects;
			CREATE TABLE app.wall (id uuid PRIMARY KEY, tenant_id uuid NOT NULL);
			INSERT INTO app.wall SELECT id, tenant_id FROM app.doc;
			ALTER TABLE app.wall ENABLE ROW LEVEL SECURITY;
			CREATE POLICY w ON app.wall AS RESTRICTIVE USING (tenant_id = app.tenant());
			CREATE POLICY i ON app.wall USING (true);
			CREATE TABLE app.brick (id uuid, wall_id uuid REFERENCES app.wall);
			INSERT INTO app.brick SELECT id, id FROM app.wall;`,
		open: []attack{
			{"line", `EXISTS (SELECT 1 FROM app.doc d WHERE d.id = line.doc_id)`},
			{"line", `doc_id IN (SELECT id FROM app.doc)`},
			{"note", `EXISTS (SELECT 1 FROM app.projects p WHERE p.id = note.project_id)`},
		},
		closed: []attack{{"brick", `EXISTS (SELECT 1 FROM app.wall w WHERE w.id = brick.wall_id)`}},
	}
}
