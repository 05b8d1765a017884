-- Sealed mode: what "moat seal" installs. It runs in one transaction, as a superuser or as
-- a role that may create roles and schemas, and again without harm. :owner is the
-- role the functions run as, :applications the roles that may call them, :setting the
-- plain tenant setting.

-- 1. The owner of the functions: it cannot log in, bypasses nothing and is nobody's
-- way to anything. Without a superuser, whoever installs joins it for this transaction.
DO $moat$
DECLARE
  r record;
BEGIN
  SELECT * INTO r FROM pg_catalog.pg_roles WHERE rolname = :owner_text;
  IF NOT FOUND THEN
    BEGIN
      CREATE ROLE :owner NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- another database of this server installs it at this moment
    END;
    SELECT * INTO r FROM pg_catalog.pg_roles WHERE rolname = :owner_text;
  END IF;
  IF r.rolsuper OR r.rolbypassrls OR r.rolcanlogin OR r.rolcreaterole OR r.rolreplication THEN
    RAISE EXCEPTION 'moat: role % may own nothing of sealed mode: it can log in or bypasses row-level security', :owner_text;
  END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_roles a WHERE a.rolname = ANY (:application_texts) AND pg_catalog.pg_has_role(a.oid, :owner_text, 'MEMBER')) THEN
    RAISE EXCEPTION 'moat: an application role is a member of %, which reads the keys', :owner_text;
  END IF;
  IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
    GRANT :owner TO CURRENT_USER;
  END IF;
END
$moat$;
CREATE SCHEMA IF NOT EXISTS moat;
DO $moat$
BEGIN
  IF EXISTS (SELECT FROM pg_catalog.pg_roles a JOIN pg_catalog.pg_namespace n ON n.nspname = 'moat'
              WHERE a.rolname = ANY (:application_texts)
                AND (pg_catalog.pg_has_role(a.oid, n.nspowner, 'MEMBER') OR pg_catalog.has_schema_privilege(a.oid, n.oid, 'CREATE'))) THEN
    RAISE EXCEPTION 'moat: an application role may create objects in schema moat, and so replace what verifies';
  END IF;
END
$moat$;

-- 2. The keys. One row is one signing key, kept as the two pads of HMAC-SHA-256 (RFC
-- 2104: the key xor 0x36 and xor 0x5c, 64 bytes each), so that verifying is two calls
-- of sha256. token_* verify what a client signed; the inner one has the 12 bytes that
-- every such message begins with behind it. seal_* never leave the database: they
-- make the sealed value, and go with the key, so that nothing else needs rotation.
CREATE TABLE IF NOT EXISTS moat.seal_key (
  id          text        NOT NULL PRIMARY KEY CHECK (id ~ '^[a-z0-9]{8}$'),
  token_inner bytea       NOT NULL CHECK (length(token_inner) = 76),
  token_outer bytea       NOT NULL CHECK (length(token_outer) = 64),
  seal_inner  bytea       NOT NULL CHECK (length(seal_inner) = 64),
  seal_outer  bytea       NOT NULL CHECK (length(seal_outer) = 64),
  any_backend boolean     NOT NULL DEFAULT false,
  created_at  timestamptz NOT NULL DEFAULT now(),
  valid_until timestamptz
);
COMMENT ON TABLE moat.seal_key IS 'moat: keys of the sealed tenant. Nobody but the functions may read it; a dump of the database holds it.';

-- 3. The functions.
:functions

-- 4. Who may do what. Default privileges may have granted more to anybody: take
-- everything back first.
GRANT CREATE, USAGE ON SCHEMA moat TO :owner;
ALTER FUNCTION moat.enter(text, bigint, text, bytea, text) OWNER TO :owner;
ALTER FUNCTION moat.current_tenant() OWNER TO :owner;
ALTER FUNCTION moat.current_fact(text) OWNER TO :owner;
REVOKE CREATE ON SCHEMA moat FROM :owner;
DO $moat$
DECLARE
  held record;
BEGIN
  FOR held IN
    SELECT 'TABLE moat.seal_key' AS object, x.grantee
      FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) x WHERE c.oid = 'moat.seal_key'::regclass AND x.grantee <> c.relowner
    UNION
    SELECT 'TABLE moat.seal_key', x.grantee
      FROM pg_catalog.pg_attribute a, pg_catalog.aclexplode(a.attacl) x WHERE a.attrelid = 'moat.seal_key'::regclass
    UNION
    SELECT 'FUNCTION ' || p.oid::regprocedure, x.grantee
      FROM pg_catalog.pg_proc p, pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) x
     WHERE p.pronamespace = 'moat'::regnamespace AND p.proname IN ('enter', 'current_tenant', 'current_fact') AND x.grantee <> p.proowner
  LOOP
    EXECUTE format('REVOKE ALL ON %s FROM %s CASCADE', held.object,
      CASE WHEN held.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(held.grantee)) END);
  END LOOP;
END
$moat$;
GRANT SELECT ON moat.seal_key TO :owner;
:grants

-- 5. A parallel worker has another process id than its leader, and only a role that
-- sees every session's statistics can tell whose worker it is. Where that may not be
-- granted the functions stay in the leader. The function is granted by name because
-- hardening takes it from PUBLIC.
DO $moat$
BEGIN
  IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
    GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_get_activity(integer) TO :owner;
  END IF;
  IF NOT pg_catalog.pg_has_role(:owner_text, 'pg_read_all_stats', 'USAGE') THEN
    GRANT pg_read_all_stats TO :owner;
  END IF;
EXCEPTION WHEN insufficient_privilege THEN
  ALTER FUNCTION moat.current_tenant() PARALLEL RESTRICTED;
  ALTER FUNCTION moat.current_fact(text) PARALLEL RESTRICTED;
END
$moat$;

-- 6. Whoever installed leaves the role again.
DO $moat$
BEGIN
  IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
    REVOKE :owner FROM CURRENT_USER;
  END IF;
END
$moat$;
