-- A function that a policy still reads cannot be dropped: then all of this is rolled
-- back, and the policies go on as they are.
DO $moat$
BEGIN
  IF NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
     AND EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = :owner_text) THEN
    GRANT :owner TO CURRENT_USER;
  END IF;
END
$moat$;
DROP FUNCTION IF EXISTS moat.enter(text, bigint, text, bytea, text), moat.current_tenant(), moat.current_fact(text);
DROP TABLE IF EXISTS moat.seal_key;
DO $moat$
DECLARE
  role oid := (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = :owner_text);
BEGIN
  IF role IS NULL THEN
    RETURN;
  END IF;
  IF pg_catalog.to_regnamespace('moat') IS NOT NULL THEN
    REVOKE ALL ON SCHEMA moat FROM :owner;
  END IF;
  IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
    REVOKE EXECUTE ON FUNCTION pg_catalog.pg_stat_get_activity(integer) FROM :owner;
  ELSE
    REVOKE :owner FROM CURRENT_USER;
  END IF;
  IF EXISTS (SELECT FROM pg_catalog.pg_shdepend WHERE refclassid = 'pg_authid'::regclass AND refobjid = role) THEN
    RAISE NOTICE 'moat: role % stays, another database uses it', :owner_text;
  ELSE
    DROP ROLE :owner;
  END IF;
END
$moat$;
DO $moat$
BEGIN
  IF pg_catalog.to_regnamespace('moat') IS NOT NULL
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE refclassid = 'pg_namespace'::regclass AND refobjid = 'moat'::regnamespace) THEN
    DROP SCHEMA moat;
  END IF;
END
$moat$;
