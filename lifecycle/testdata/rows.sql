INSERT INTO app.currencies VALUES ('EUR', 'Euro'), ('USD', 'Dollar'), ('JPY', 'Yen');
INSERT INTO app.tenants (id, name, slug) VALUES
    ('aaaaaaaa-0000-4000-8000-000000000001', 'Acme', 'acme'),
    ('bbbbbbbb-0000-4000-8000-000000000002', 'Globex', 'globex'),
    ('cccccccc-0000-4000-8000-000000000003', 'Initech', 'initech');
INSERT INTO app.users SELECT gen_random_uuid(), 'user' || i || '@example.com', 'User ' || i FROM generate_series(1, 9) i;
INSERT INTO app.memberships SELECT t.id, u.id FROM app.tenants t, app.users u
    WHERE right(u.name, 1)::int % 3 = ascii(left(t.name, 1)) % 3 OR u.name = 'User 1';
INSERT INTO app.teams (tenant_id, name) SELECT id, name || ' ' || n FROM app.tenants, generate_series(1, 5) n;
INSERT INTO app.people (tenant_id, team_id, email, tags, extra, photo)
    SELECT t.tenant_id, t.id, 'p' || n || '@' || t.id || '.example', ARRAY['a b', NULL, E'tab\t"quote"', '{x}'],
        jsonb_build_object('n', n, 'text', E'line\nbreak \\ "q"', 'nothing', NULL), decode(md5(n::text), 'hex')
    FROM app.teams t, generate_series(1, 8) n;
UPDATE app.people p SET boss_id = (SELECT min(q.id) FROM app.people q WHERE q.team_id = p.team_id);
UPDATE app.teams t SET lead_id = (SELECT max(p.id) FROM app.people p WHERE p.team_id = t.id);
UPDATE app.tenants t SET home_team = (SELECT min(m.id) FROM app.teams m WHERE m.tenant_id = t.id);
INSERT INTO billing.invoices (tenant_id, number, net, stage, currency, due)
    SELECT id, 'INV-' || n, n * 10.5, (ARRAY['new', 'open', 'done'])[1 + n % 3]::app.stage,
        (ARRAY['EUR', 'USD'])[1 + n % 2], date '2026-01-01' + n FROM app.tenants, generate_series(1, 20) n;
INSERT INTO billing.lines (tenant, invoice, what, qty, at)
    SELECT tenant_id, number, E'Überweisung \t' || n, n / 3.0, make_interval(days => n, secs => n / 7.0)
    FROM billing.invoices, generate_series(1, 3) n;
INSERT INTO app.notes SELECT id, CASE WHEN id % 4 > 0 THEN 'note on ' || id END, timestamp '2026-02-03 04:05:06.789',
    ('10.0.0.' || id % 250)::inet FROM app.people, generate_series(1, 2);
INSERT INTO app.events (tenant_id, at, kind, data)
    SELECT id, timestamptz '2025-11-01' + n * interval '1 day', 'visit', jsonb_build_object('n', n)
    FROM app.tenants, generate_series(1, 120) n;
INSERT INTO app.files (tenant_id, name, content) SELECT id, 'doc-' || n, lo_from_bytea(0, decode(repeat(md5(id::text || n), n * 4000), 'hex'))
    FROM app.tenants, generate_series(1, 3) n;
INSERT INTO app.blobs (bytes) SELECT decode(md5(n::text), 'hex') FROM generate_series(1, 9) n;
UPDATE app.files f SET blob_id = b.id FROM app.blobs b
    WHERE b.id = right(f.name, 1)::int + 3 * (ascii(substr(f.tenant_id::text, 1, 1)) - 97);
INSERT INTO app.old_files (tenant_id, name, archived) SELECT id, 'old-' || n, date '2020-01-01' + n FROM app.tenants, generate_series(1, 2) n;
INSERT INTO app.orders (tenant_id, total) SELECT id, n FROM app.tenants, generate_series(1, 4) n;
-- Acme and Globex sell to the one after, and share an order with it.
UPDATE app.orders o SET buyer_id = b.id FROM app.tenants s, app.tenants b
    WHERE s.id = o.tenant_id AND o.total = 1 AND (s.slug, b.slug) IN (('acme', 'globex'), ('globex', 'initech'));
INSERT INTO app.order_shares SELECT o.tenant_id, o.id, b.id FROM app.orders o, app.tenants s, app.tenants b
    WHERE s.id = o.tenant_id AND o.total = 2 AND (s.slug, b.slug) IN (('acme', 'globex'), ('globex', 'initech'));
INSERT INTO app.audit_log (tenant_id, what) SELECT id, 'created' FROM app.tenants;
INSERT INTO app.audit_log (tenant_id, what) VALUES (NULL, 'installed');
REFRESH MATERIALIZED VIEW billing.totals;
REFRESH MATERIALIZED VIEW billing.grand;
