-- More of the shop, for what clients do all day: an audit log, settings, tags on orders,
-- secrets by name and by shape, and the people of each account.
CREATE TABLE shop.audit_log (account_id bigint NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, action text NOT NULL,
    PRIMARY KEY (account_id, id));
CREATE TABLE shop.preferences (account_id bigint PRIMARY KEY, language text NOT NULL DEFAULT 'en', api_token text);
CREATE TABLE shop.tags (account_id bigint NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, name text NOT NULL,
    internal_note text, PRIMARY KEY (account_id, id));
CREATE TABLE shop.order_tags (account_id bigint NOT NULL, order_id bigint NOT NULL, tag_id bigint NOT NULL,
    PRIMARY KEY (account_id, order_id, tag_id),
    FOREIGN KEY (account_id, order_id) REFERENCES shop."Order" (account_id, id) ON DELETE CASCADE,
    FOREIGN KEY (account_id, tag_id) REFERENCES shop.tags (account_id, id));
CREATE TABLE shop.contacts (account_id bigint NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY, name text NOT NULL,
    password_hash text, note text, "we""ird'<b>" text, visits integer, PRIMARY KEY (account_id, id));
COMMENT ON COLUMN shop.tags.internal_note IS E'For us\n@portal hidden';
COMMENT ON COLUMN shop.tags.name IS E'What it is called\n@portal name Label';
CREATE TABLE shop.people (id text PRIMARY KEY, email text NOT NULL UNIQUE, name text NOT NULL);
CREATE TABLE shop.members (account_id bigint NOT NULL REFERENCES shop.accounts, person text NOT NULL REFERENCES shop.people,
    issuer text NOT NULL, role text NOT NULL CHECK (role IN ('owner', 'admin', 'member', 'viewer')),
    PRIMARY KEY (account_id, person));

DO $$
DECLARE t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['audit_log', 'preferences', 'tags', 'order_tags', 'contacts', 'members'] LOOP
        EXECUTE format('CREATE POLICY tenant_isolation ON shop.%1$I AS RESTRICTIVE USING (account_id = (SELECT nullif(current_setting(''app.current_tenant'', true), '''')::bigint)) WITH CHECK (account_id = (SELECT nullif(current_setting(''app.current_tenant'', true), '''')::bigint))', t);
        EXECUTE format('CREATE POLICY tenant_access ON shop.%I USING (true) WITH CHECK (true)', t);
        EXECUTE format('ALTER TABLE shop.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE shop.%I FORCE ROW LEVEL SECURITY', t);
        IF t <> 'members' THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON shop.%I TO PUBLIC', t);
        END IF;
    END LOOP;
END $$;
INSERT INTO shop.audit_log (account_id, action) SELECT a, 'MARK-' || l || ' did' FROM (VALUES (1, 'A'), (2, 'B')) v(a, l);
INSERT INTO shop.preferences VALUES (1, 'en', 'tok-A'), (2, 'de', 'MARK-B');
INSERT INTO shop.tags (account_id, name, internal_note) SELECT a, 'MARK-' || l || ' tag', 'INTERNAL' FROM (VALUES (1, 'A'), (2, 'B')) v(a, l);
INSERT INTO shop.order_tags SELECT o.account_id, min(o.id), min(t.id) FROM shop."Order" o JOIN shop.tags t USING (account_id) GROUP BY 1;
INSERT INTO shop.contacts (account_id, name, password_hash, note, "we""ird'<b>", visits)
SELECT a, 'MARK-' || l || ' person ' || n, 'HASH-NEVER', 'key $2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW end', 'odd ' || n, n
FROM (VALUES (1, 'A'), (2, 'B')) v(a, l), generate_series(1, 5) n;
INSERT INTO shop.people VALUES ('ann', 'ann@a.example', 'Ann A'), ('adam', 'adam@a.example', 'Adam A'), ('vic', 'vic@a.example', 'Vic A'),
    ('bea', 'bea@b.example', 'Bea MARK-B');
INSERT INTO shop.members VALUES (1, 'ann', 'https://clients.test', 'owner'), (1, 'adam', 'https://clients.test', 'admin'),
    (1, 'vic', 'https://clients.test', 'viewer'), (2, 'bea', 'https://clients.test', 'owner');
ANALYZE;
