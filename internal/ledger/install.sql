-- What the console keeps. A client sees the lines that are about itself, by the same
-- policy as its other tables; nobody but the table's owner can change or remove one.
-- The column and its type are those of the tenant tables, and so are the policies.
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
COMMENT ON TABLE moat.operator_log IS 'Every use of the operator role: who, when and why';
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
COMMENT ON TABLE moat.console_state IS 'The last run of prove and the last known good state of the schema';

{{policies}}

REVOKE ALL ON moat.operator_log, moat.tenant_seen, moat.console_state FROM PUBLIC;
GRANT USAGE ON SCHEMA moat TO {{application}}, {{operator}};
GRANT SELECT ON moat.operator_log TO {{application}};
GRANT SELECT, INSERT, UPDATE ON moat.tenant_seen TO {{application}};
GRANT SELECT, INSERT ON moat.operator_log TO {{operator}};
GRANT SELECT ON moat.tenant_seen TO {{operator}};
GRANT SELECT, INSERT, UPDATE ON moat.console_state TO {{operator}};
