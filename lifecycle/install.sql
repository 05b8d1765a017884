-- What the life of tenants leaves behind: erasures and restores that are due or under way,
-- and the certificates of erasures that are done. Only the operator reads and writes it.
CREATE TABLE IF NOT EXISTS moat.erasure (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant       text NOT NULL,
    operator     text NOT NULL,
    reason       text NOT NULL CHECK (btrim(reason) <> ''),
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at       timestamptz NOT NULL,
    started_at   timestamptz,
    finished_at  timestamptz,
    cancelled_at timestamptz,
    removed      jsonb NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE moat.erasure IS 'Erasures of tenants: requested, under way, done or cancelled';
CREATE UNIQUE INDEX IF NOT EXISTS erasure_open ON moat.erasure (tenant)
    WHERE finished_at IS NULL AND cancelled_at IS NULL;

CREATE TABLE IF NOT EXISTS moat.certificate (
    number     bigint PRIMARY KEY,
    tenant     text NOT NULL,
    body       text NOT NULL,
    digest     text NOT NULL UNIQUE,
    revoked_at timestamptz,
    revoked_by text,
    revoked_for text
);
COMMENT ON TABLE moat.certificate IS 'Certificates of erasure, each chained to the one before by its digest';

CREATE TABLE IF NOT EXISTS moat.restoring (
    tenant     text PRIMARY KEY,
    since      timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE moat.restoring IS 'Tenants that a restore has suspended, and will resume';

REVOKE ALL ON moat.erasure, moat.certificate, moat.restoring FROM PUBLIC;
GRANT SELECT, INSERT, UPDATE ON moat.erasure, moat.certificate TO {{operator}};
GRANT SELECT, INSERT, DELETE ON moat.restoring TO {{operator}};
