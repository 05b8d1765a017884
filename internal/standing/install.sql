-- How tenants stand. A tenant sees its own row, by the same policy as its other tables, and
-- changes none: who operates does. The column and its type are those of the tenant tables.
CREATE SCHEMA IF NOT EXISTS moat;

CREATE TABLE IF NOT EXISTS moat.tenant_state (
    {{column}} {{type}} PRIMARY KEY,
    suspended_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    suspended_by text NOT NULL DEFAULT session_user,
    reason       text NOT NULL CHECK (btrim(reason) <> '')
);
COMMENT ON TABLE moat.tenant_state IS 'The tenants that are suspended';

CREATE TABLE IF NOT EXISTS moat.tenant_limit (
    {{column}} {{type}} PRIMARY KEY,
    requests_per_second double precision CHECK (requests_per_second > 0 AND requests_per_second < 1e9),
    burst       integer CHECK (burst > 0),
    concurrent  integer CHECK (concurrent > 0),
    connections integer CHECK (connections > 0)
);
COMMENT ON TABLE moat.tenant_limit IS 'What a tenant may take where it is not what all may take; NULL: as all';

{{policies}}

REVOKE ALL ON moat.tenant_state, moat.tenant_limit FROM PUBLIC;
GRANT USAGE ON SCHEMA moat TO {{readers}};
GRANT SELECT ON moat.tenant_state, moat.tenant_limit TO {{readers}};
GRANT USAGE ON SCHEMA moat TO {{operator}};
GRANT SELECT, INSERT, UPDATE, DELETE ON moat.tenant_state, moat.tenant_limit TO {{operator}};
NOTIFY moat;
