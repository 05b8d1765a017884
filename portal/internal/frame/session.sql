-- Who is signed in to the portal. A row opens with its cookie and the session key together:
-- whoever reads the table can neither take a session over nor read a token.
CREATE SCHEMA IF NOT EXISTS moat;

CREATE TABLE IF NOT EXISTS moat.portal_session (
    id      bytea PRIMARY KEY,
    owner   bytea NOT NULL,
    created timestamptz NOT NULL,
    expires timestamptz NOT NULL,
    renewed timestamptz,
    value   bytea NOT NULL
);
ALTER TABLE moat.portal_session ADD COLUMN IF NOT EXISTS about text NOT NULL DEFAULT '';
COMMENT ON TABLE moat.portal_session IS 'Sessions of the portal: hashes of their cookies, and their tokens encrypted';
CREATE INDEX IF NOT EXISTS portal_session_owner ON moat.portal_session (owner, created DESC);
CREATE INDEX IF NOT EXISTS portal_session_expires ON moat.portal_session (expires);

REVOKE ALL ON moat.portal_session FROM {{public}};
GRANT USAGE ON SCHEMA moat TO {{keeper}};
GRANT SELECT, INSERT, UPDATE, DELETE ON moat.portal_session TO {{keeper}};
