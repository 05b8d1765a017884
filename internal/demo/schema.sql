-- The demo: an agency runs campaigns for its clients. Each client is a tenant and
-- sees its own leads only. Roles, policies, keys and indexes are those that
-- docs/explanation explains; moat protect has only the guards to add.

CREATE ROLE moat_owner NOLOGIN;
CREATE ROLE moat_definer NOLOGIN BYPASSRLS;
CREATE ROLE moat_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION;
CREATE ROLE moat_operator LOGIN NOSUPERUSER BYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION;

CREATE SCHEMA app AUTHORIZATION moat_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA app TO moat_app, moat_operator;
DO $$ BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO moat_app, moat_operator', current_database());
    EXECUTE format('ALTER DATABASE %I SET search_path = app, pg_temp', current_database());
END $$;

SET ROLE moat_owner;
SET search_path = app, pg_temp;

CREATE TABLE tenants (
    id           uuid PRIMARY KEY,
    name         text NOT NULL,
    slug         text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    suspended_at timestamptz
);
COMMENT ON TABLE tenants IS 'The agency''s clients';
COMMENT ON COLUMN tenants.suspended_at IS 'When set, the client is locked out';

CREATE TABLE campaigns (
    tenant_id  uuid NOT NULL DEFAULT (nullif(current_setting('app.current_tenant', true), '')::uuid)
               REFERENCES tenants (id),
    id         uuid NOT NULL DEFAULT gen_random_uuid(),
    name       text NOT NULL CHECK (name <> ''),
    channel    text NOT NULL CHECK (channel IN ('search', 'social', 'email', 'referral', 'event')),
    budget     numeric(12,2) NOT NULL DEFAULT 0 CHECK (budget >= 0),
    starts_on  date NOT NULL DEFAULT current_date,
    ends_on    date,
    active     boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CHECK (ends_on IS NULL OR ends_on >= starts_on)
);
COMMENT ON TABLE campaigns IS 'What the agency runs for a client to win leads';

CREATE TABLE leads (
    tenant_id   uuid NOT NULL DEFAULT (nullif(current_setting('app.current_tenant', true), '')::uuid)
                REFERENCES tenants (id),
    id          uuid NOT NULL DEFAULT gen_random_uuid(),
    campaign_id uuid,
    name        text NOT NULL CHECK (name <> ''),
    email       text,
    phone       text,
    company     text,
    status      text NOT NULL DEFAULT 'new'
                CHECK (status IN ('new', 'contacted', 'qualified', 'won', 'lost')),
    source      text NOT NULL DEFAULT 'website'
                CHECK (source IN ('website', 'search', 'social', 'email', 'referral', 'event', 'phone')),
    value       numeric(12,2) CHECK (value >= 0),
    score       integer NOT NULL DEFAULT 0 CHECK (score BETWEEN 0 AND 100),
    notes       text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, campaign_id) REFERENCES campaigns (tenant_id, id)
);
COMMENT ON TABLE leads IS 'People who showed interest in what the client sells';
COMMENT ON COLUMN leads.value IS 'Expected revenue in the client''s currency';
COMMENT ON COLUMN leads.score IS 'How likely the lead is to buy, 0 to 100';
CREATE INDEX leads_created ON leads (tenant_id, created_at DESC);
CREATE INDEX leads_status ON leads (tenant_id, status, created_at DESC);
CREATE INDEX leads_campaign ON leads (tenant_id, campaign_id);
CREATE UNIQUE INDEX leads_email ON leads (tenant_id, email);

CREATE TABLE lead_events (
    tenant_id   uuid NOT NULL DEFAULT (nullif(current_setting('app.current_tenant', true), '')::uuid)
                REFERENCES tenants (id),
    id          uuid NOT NULL DEFAULT gen_random_uuid(),
    lead_id     uuid NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('created', 'call', 'email', 'meeting', 'note', 'status')),
    body        text NOT NULL DEFAULT '',
    happened_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, lead_id) REFERENCES leads (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE lead_events IS 'What happened with a lead, newest last';
CREATE INDEX lead_events_lead ON lead_events (tenant_id, lead_id, happened_at);

CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION touch_updated_at() FROM PUBLIC;
CREATE TRIGGER touch BEFORE UPDATE ON leads FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

DO $$
DECLARE
    t text;
    col text;
BEGIN
    FOREACH t IN ARRAY ARRAY['tenants', 'campaigns', 'leads', 'lead_events'] LOOP
        col := CASE t WHEN 'tenants' THEN 'id' ELSE 'tenant_id' END;
        EXECUTE format($p$
            CREATE POLICY tenant_isolation ON app.%1$I AS RESTRICTIVE FOR ALL TO PUBLIC
                USING      (%2$I = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid))
                WITH CHECK (%2$I = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
            CREATE POLICY tenant_access ON app.%1$I AS PERMISSIVE FOR ALL TO moat_app
                USING (true) WITH CHECK (true);
            ALTER TABLE app.%1$I ENABLE ROW LEVEL SECURITY;
            ALTER TABLE app.%1$I FORCE ROW LEVEL SECURITY;
        $p$, t, col);
    END LOOP;
END $$;

GRANT SELECT ON tenants TO moat_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON campaigns, leads, lead_events TO moat_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON tenants, campaigns, leads, lead_events TO moat_operator;

RESET ROLE;
