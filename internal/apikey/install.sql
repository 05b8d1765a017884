-- What API keys need: the table, which the application role has no right to, and a role
-- that makes and looks up keys and can do nothing else.
CREATE SCHEMA IF NOT EXISTS moat;
CREATE TABLE IF NOT EXISTS moat.api_key (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant text NOT NULL CHECK (tenant <> ''),
  hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
  prefix text NOT NULL,
  name text NOT NULL,
  role text NOT NULL DEFAULT '',
  -- Who made it: an issuer's subject, or nobody but the operator.
  maker_issuer text NOT NULL DEFAULT '',
  maker text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  revoked_at timestamptz
);
CREATE INDEX IF NOT EXISTS api_key_tenant_idx ON moat.api_key (tenant);
ALTER TABLE moat.api_key ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON moat.api_key FROM PUBLIC;
DO $$ BEGIN
  CREATE ROLE {{role}} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
GRANT USAGE ON SCHEMA moat TO {{role}};
GRANT SELECT ON moat.api_key TO {{role}};
GRANT INSERT (tenant, hash, prefix, name, role, maker_issuer, maker, expires_at) ON moat.api_key TO {{role}};
GRANT UPDATE (revoked_at) ON moat.api_key TO {{role}};
DROP POLICY IF EXISTS keys ON moat.api_key;
CREATE POLICY keys ON moat.api_key TO {{role}} USING (true) WITH CHECK (true);
