-- The demo's agency before anybody thought of isolation: no policies, no roles of
-- moat, keys of one column, no index, and events that know no tenant.
CREATE SCHEMA app;
CREATE TABLE app.tenants (id uuid PRIMARY KEY, name text NOT NULL, slug text NOT NULL, created_at timestamptz NOT NULL DEFAULT now(), suspended_at timestamptz);
CREATE TABLE app.campaigns (tenant_id uuid NOT NULL REFERENCES app.tenants (id), id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text NOT NULL CHECK (name <> ''), budget numeric(12,2) NOT NULL DEFAULT 0);
CREATE TABLE app.leads (tenant_id uuid NOT NULL REFERENCES app.tenants (id), id uuid PRIMARY KEY DEFAULT gen_random_uuid(), campaign_id uuid REFERENCES app.campaigns, name text NOT NULL, email text, status text NOT NULL DEFAULT 'new', created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE app.lead_events (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), lead_id uuid NOT NULL REFERENCES app.leads ON DELETE CASCADE, kind text NOT NULL, body text NOT NULL DEFAULT '', happened_at timestamptz NOT NULL DEFAULT now());
CREATE FUNCTION app.touch_updated_at() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$ BEGIN NEW.updated_at := now(); RETURN NEW; END $$;
CREATE TRIGGER touch BEFORE UPDATE ON app.leads FOR EACH ROW EXECUTE FUNCTION app.touch_updated_at();
INSERT INTO app.tenants SELECT ('00000000-0000-0000-0000-00000000000' || i)::uuid, 'client ' || i, 'client-' || i FROM generate_series(1, 3) i;
INSERT INTO app.campaigns (tenant_id, name) SELECT t.id, 'campaign ' || i FROM app.tenants t, generate_series(1, 5) i;
INSERT INTO app.leads (tenant_id, campaign_id, name) SELECT c.tenant_id, c.id, 'lead ' || i FROM app.campaigns c, generate_series(1, 20) i;
INSERT INTO app.lead_events (lead_id, kind) SELECT l.id, 'note' FROM app.leads l;
