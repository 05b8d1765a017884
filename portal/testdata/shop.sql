-- A schema that is not the demo's: another tenant column and type, names that need
-- quoting, enums, domains, arrays, a key of two columns, partitions, a shared table, a
-- child table that nothing isolates, and rows that try to be markup.
CREATE SCHEMA shop;
CREATE TYPE shop.stage AS ENUM ('draft', 'sent', 'paid', 'void');
CREATE DOMAIN shop.short AS varchar(20) CHECK (VALUE <> '');

CREATE TABLE shop.accounts (id bigint PRIMARY KEY, name text NOT NULL, suspended boolean NOT NULL DEFAULT false);
CREATE TABLE shop.staff (account_id bigint NOT NULL, login text NOT NULL, position text, PRIMARY KEY (account_id, login));
CREATE TABLE shop.currencies (code text PRIMARY KEY, title text NOT NULL);
CREATE TABLE shop."Order" (
    account_id bigint NOT NULL REFERENCES shop.accounts,
    id bigint GENERATED ALWAYS AS IDENTITY,
    title shop.short NOT NULL,
    "select" text,
    stage shop.stage NOT NULL DEFAULT 'draft',
    total numeric(10,2) CHECK (total >= 0 AND total < 1000000),
    quantity smallint NOT NULL DEFAULT 1 CHECK (quantity BETWEEN 1 AND 99),
    currency text REFERENCES shop.currencies,
    tags text[],
    extra jsonb,
    photo bytea,
    due date,
    at_local timestamp,
    urgent boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, title)
);
CREATE TABLE shop.lines (
    account_id bigint NOT NULL,
    order_id bigint NOT NULL,
    number integer NOT NULL,
    article text NOT NULL,
    doubled integer GENERATED ALWAYS AS (number * 2) STORED,
    PRIMARY KEY (account_id, order_id, number),
    FOREIGN KEY (account_id, order_id) REFERENCES shop."Order" (account_id, id)
);
CREATE TABLE shop.visits (account_id bigint NOT NULL, happened_at timestamptz NOT NULL, page text NOT NULL) PARTITION BY RANGE (happened_at);
CREATE TABLE shop.visits_all PARTITION OF shop.visits DEFAULT;
CREATE TABLE shop.loose (order_id bigint, secret text NOT NULL);
CREATE TABLE shop.open_notes (account_id bigint NOT NULL, secret text NOT NULL);

DO $$
DECLARE t text; col text;
BEGIN
    FOREACH t IN ARRAY ARRAY['accounts', 'Order', 'lines', 'visits', 'visits_all'] LOOP
        col := CASE t WHEN 'accounts' THEN 'id' ELSE 'account_id' END;
        EXECUTE format('CREATE POLICY tenant_isolation ON shop.%1$I AS RESTRICTIVE USING (%2$I = (SELECT nullif(current_setting(''app.current_tenant'', true), '''')::bigint)) WITH CHECK (%2$I = (SELECT nullif(current_setting(''app.current_tenant'', true), '''')::bigint))', t, col);
        EXECUTE format('CREATE POLICY tenant_access ON shop.%I USING (true) WITH CHECK (true)', t);
        EXECUTE format('ALTER TABLE shop.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('ALTER TABLE shop.%I FORCE ROW LEVEL SECURITY', t);
    END LOOP;
END $$;

INSERT INTO shop.accounts VALUES (1, 'Account MARK-A'), (2, 'Account MARK-B');
INSERT INTO shop.staff VALUES (1, 'someone@example.com', 'manager');
INSERT INTO shop.currencies VALUES ('EUR', 'Euro <b>'), ('USD', 'Dollar');
INSERT INTO shop."Order" (account_id, title, "select", stage, total, currency, tags, extra, photo, due, at_local)
SELECT a, 'MARK-' || l || ' ' || n, '<script>alert("' || l || '")</script><img src=x onerror=alert(1)>', 'sent', n * 10.5, 'EUR',
       ARRAY['MARK-' || l, '"><svg onload=alert(1)>'], jsonb_build_object('who', 'MARK-' || l, 'x', '</script><script>alert(1)</script>'), '\x00ff', '2026-11-01', '2026-11-01 10:00'
FROM (VALUES (1, 'A'), (2, 'B')) v(a, l), generate_series(1, 60) n;
INSERT INTO shop.lines (account_id, order_id, number, article)
SELECT account_id, id, n, 'MARK-' || CASE account_id WHEN 1 THEN 'A' ELSE 'B' END || ' "><script>alert(2)</script>' FROM shop."Order", generate_series(1, 2) n;
INSERT INTO shop.visits SELECT a, now() - n * interval '1 hour', 'MARK-' || l FROM (VALUES (1, 'A'), (2, 'B')) v(a, l), generate_series(1, 5) n;
INSERT INTO shop.loose VALUES (1, 'LOOSE');
INSERT INTO shop.open_notes VALUES (1, 'LOOSE'), (2, 'LOOSE');
ANALYZE;
