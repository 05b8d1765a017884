-- What the console keeps. A client sees the lines that are about itself, by the same
-- policy as its other tables; nobody but the table's owner can change or remove one.
-- {{column}}, {{type}} and {{isolation}} are those of the tenant tables.
CREATE SCHEMA IF NOT EXISTS moat;

CREATE TABLE IF NOT EXISTS moat.operator_log (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    operator   text NOT NULL,
    action     text NOT NULL,
    {{column}} {{type}},
    reason     text NOT NULL CHECK (btrim(reason) <> ''),
    details    text NOT NULL DEFAULT ''
);
COMMENT ON TABLE moat.operator_log IS 'Every use of the operator role: who, when, what for';
CREATE INDEX IF NOT EXISTS operator_log_tenant ON moat.operator_log ({{column}}, at DESC);
CREATE INDEX IF NOT EXISTS operator_log_at ON moat.operator_log (at DESC);

CREATE TABLE IF NOT EXISTS moat.tenant_seen (
    {{column}} {{type}} PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE moat.tenant_seen IS 'When a client last used the portal';

CREATE TABLE IF NOT EXISTS moat.console_state (
    name  text PRIMARY KEY,
    at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    value jsonb NOT NULL
);
COMMENT ON TABLE moat.console_state IS 'The last run of prove and the last good state of the schema';

DO $install$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['operator_log', 'tenant_seen'] LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_policies p WHERE p.schemaname = 'moat' AND p.tablename = t AND p.policyname = 'tenant_isolation') THEN
            EXECUTE pg_catalog.format($sql$CREATE POLICY tenant_isolation ON moat.%I AS RESTRICTIVE FOR ALL TO PUBLIC USING ({{isolation}}) WITH CHECK ({{isolation}})$sql$, t);
            EXECUTE pg_catalog.format($sql$CREATE POLICY tenant_access ON moat.%I AS PERMISSIVE FOR ALL TO {{application-in-format}} USING (true) WITH CHECK (true)$sql$, t);
        END IF;
        EXECUTE pg_catalog.format('ALTER TABLE moat.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE pg_catalog.format('ALTER TABLE moat.%I FORCE ROW LEVEL SECURITY', t);
    END LOOP;
END $install$;

REVOKE ALL ON moat.operator_log, moat.tenant_seen, moat.console_state FROM PUBLIC;
GRANT USAGE ON SCHEMA moat TO {{application}}, {{operator}};
GRANT SELECT ON moat.operator_log TO {{application}};
GRANT SELECT, INSERT, UPDATE ON moat.tenant_seen TO {{application}};
GRANT SELECT, INSERT ON moat.operator_log TO {{operator}};
GRANT SELECT ON moat.tenant_seen TO {{operator}};
GRANT SELECT, INSERT, UPDATE ON moat.console_state TO {{operator}};
