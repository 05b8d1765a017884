-- The demo: an agency runs campaigns for its clients. Each client is a tenant, and so is
-- the agency, above them. What keeps them apart is not here: moat protect adds it.

CREATE ROLE moat_owner NOLOGIN;
CREATE ROLE moat_app LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION;
CREATE ROLE moat_operator LOGIN NOSUPERUSER BYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION;

CREATE SCHEMA app AUTHORIZATION moat_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA app TO moat_app;
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
    parent_id    uuid REFERENCES tenants (id),
    created_at   timestamptz NOT NULL DEFAULT now(),
    suspended_at timestamptz
);
COMMENT ON TABLE tenants IS 'The agency and its clients';
COMMENT ON COLUMN tenants.parent_id IS 'The agency of a client';
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

CREATE TABLE templates (
    tenant_id  uuid NOT NULL DEFAULT (nullif(current_setting('app.current_tenant', true), '')::uuid)
               REFERENCES tenants (id),
    id         uuid NOT NULL DEFAULT gen_random_uuid(),
    name       text NOT NULL CHECK (name <> ''),
    channel    text NOT NULL CHECK (channel IN ('search', 'social', 'email', 'referral', 'event')),
    subject    text NOT NULL DEFAULT '',
    PRIMARY KEY (tenant_id, id)
);
COMMENT ON TABLE templates IS 'Texts for campaigns: the agency''s for all of its clients, and each client''s own';

CREATE TABLE referrals (
    tenant_id   uuid NOT NULL DEFAULT (nullif(current_setting('app.current_tenant', true), '')::uuid)
                REFERENCES tenants (id),
    to_tenant   uuid NOT NULL REFERENCES tenants (id),
    id          uuid NOT NULL DEFAULT gen_random_uuid(),
    lead_id     uuid NOT NULL,
    name        text NOT NULL CHECK (name <> ''),
    phone       text,
    reason      text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, lead_id) REFERENCES leads (tenant_id, id)
);
COMMENT ON TABLE referrals IS 'Leads that one client has handed to another: both see the row, the first owns it';
CREATE INDEX referrals_lead ON referrals (tenant_id, lead_id);

CREATE TABLE people (
    id    uuid PRIMARY KEY,
    name  text NOT NULL,
    email text NOT NULL UNIQUE
);
COMMENT ON TABLE people IS 'Who works with the leads, some for more than one client';

CREATE TABLE memberships (
    tenant_id   uuid NOT NULL DEFAULT (nullif(current_setting('app.current_tenant', true), '')::uuid)
                REFERENCES tenants (id),
    person_id   uuid NOT NULL REFERENCES people (id),
    role        text NOT NULL CHECK (role IN ('owner', 'member')),
    accepted_at timestamptz,
    PRIMARY KEY (tenant_id, person_id)
);
COMMENT ON TABLE memberships IS 'Which person works for which client; without a date, only invited';

CREATE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END $$;
REVOKE EXECUTE ON FUNCTION touch_updated_at() FROM PUBLIC;
CREATE TRIGGER touch BEFORE UPDATE ON leads FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

GRANT SELECT ON tenants, templates, people, memberships TO moat_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON campaigns, leads, lead_events TO moat_app;

RESET ROLE;
