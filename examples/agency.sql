-- An agency's database as many are: every client's rows in the same tables, kept apart
-- by a WHERE in every query of the application. Try:
--
--   createdb agency && psql agency -f examples/agency.sql
--   moat audit postgres:///agency
--   moat protect postgres:///agency

CREATE TABLE tenants (
    id   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL
);

CREATE TABLE leads (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id  uuid NOT NULL REFERENCES tenants (id),
    name       text NOT NULL,
    email      text,
    status     text NOT NULL DEFAULT 'new',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX leads_created_at ON leads (created_at);

-- Notes belong to a client only through their lead.
CREATE TABLE notes (
    id      uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    lead_id uuid NOT NULL REFERENCES leads (id) ON DELETE CASCADE,
    body    text NOT NULL
);

CREATE VIEW open_leads AS SELECT * FROM leads WHERE status IN ('new', 'contacted');

INSERT INTO tenants (id, name) VALUES
    ('11111111-1111-4111-8111-111111111111', 'Northwind Solar'),
    ('22222222-2222-4222-8222-222222222222', 'Harbor Legal');

INSERT INTO leads (tenant_id, name, email)
SELECT t.id, 'Lead ' || n || ' of ' || t.name, 'lead' || n || '@example.com'
FROM tenants t, generate_series(1, 100) n;

INSERT INTO notes (lead_id, body)
SELECT id, 'Called ' || name FROM leads;

ANALYZE tenants, leads, notes;
