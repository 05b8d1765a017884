-- A schema as moat protect leaves it: uuid tenants, a partitioned table, a shared
-- table, composite keys.
CREATE SCHEMA app AUTHORIZATION {{owner}};
GRANT USAGE ON SCHEMA app TO {{app}};
SET ROLE {{owner}};
CREATE TABLE app.tenants (id uuid PRIMARY KEY, name text NOT NULL, slug text NOT NULL UNIQUE);
CREATE TABLE app.countries (code text PRIMARY KEY, name text NOT NULL);
CREATE TABLE app.leads (
    tenant_id uuid NOT NULL DEFAULT (nullif(current_setting('app.current_tenant', true), '')::uuid) REFERENCES app.tenants (id),
    id uuid NOT NULL DEFAULT gen_random_uuid(),
    country text REFERENCES app.countries (code),
    email text,
    PRIMARY KEY (tenant_id, id),
    UNIQUE (tenant_id, email)
);
CREATE TABLE app.notes (
    tenant_id uuid NOT NULL REFERENCES app.tenants (id),
    id bigint GENERATED ALWAYS AS IDENTITY,
    lead_id uuid,
    body text,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, lead_id) REFERENCES app.leads (tenant_id, id) ON DELETE CASCADE
);
CREATE TABLE app.events (
    tenant_id uuid NOT NULL,
    at timestamptz NOT NULL,
    what text,
    PRIMARY KEY (tenant_id, at)
) PARTITION BY RANGE (at);
CREATE TABLE app.events_2026 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE VIEW app.lead_list AS SELECT id, email FROM app.leads;
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['leads', 'notes'] LOOP
    EXECUTE format('CREATE POLICY tenant_isolation ON app.%I AS RESTRICTIVE FOR ALL TO PUBLIC
      USING (tenant_id = (SELECT nullif(current_setting(''app.current_tenant'', true), '''')::uuid))
      WITH CHECK (tenant_id = (SELECT nullif(current_setting(''app.current_tenant'', true), '''')::uuid))', t);
  END LOOP;
  FOREACH t IN ARRAY ARRAY['leads', 'notes', 'events', 'tenants'] LOOP
    EXECUTE format('CREATE POLICY tenant_access ON app.%I TO {{app}} USING (true) WITH CHECK (true)', t);
    EXECUTE format('ALTER TABLE app.%I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE app.%I FORCE ROW LEVEL SECURITY', t);
  END LOOP;
END $$;
CREATE POLICY tenant_isolation ON app.events AS RESTRICTIVE
    USING (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid)
    WITH CHECK (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid);
CREATE POLICY tenant_isolation ON app.tenants AS RESTRICTIVE
    USING (id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid))
    WITH CHECK (id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
ALTER TABLE app.events_2026 ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.events_2026 FORCE ROW LEVEL SECURITY;
GRANT SELECT ON app.tenants, app.countries, app.lead_list TO {{app}};
GRANT SELECT, INSERT, UPDATE, DELETE ON app.leads, app.notes, app.events TO {{app}};
RESET ROLE;
CREATE FUNCTION app.search_leads(q text) RETURNS SETOF app.leads LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
  SELECT * FROM app.leads
   WHERE tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid AND email LIKE '%' || q || '%'
$$;
REVOKE EXECUTE ON FUNCTION app.search_leads(text) FROM PUBLIC;
GRANT SELECT ON app.leads TO {{definer}};
ALTER FUNCTION app.search_leads(text) OWNER TO {{definer}};
GRANT EXECUTE ON FUNCTION app.search_leads(text) TO {{app}};
