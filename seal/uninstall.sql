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
DO $moat$
DECLARE
  callers oid[] := ARRAY (SELECT DISTINCT g.grantee FROM pg_catalog.pg_proc f, pg_catalog.aclexplode(f.proacl) g
    WHERE f.oid = pg_catalog.to_regprocedure('moat.enter(text, bigint, text, bytea, text)')
      AND g.grantee NOT IN (0, f.proowner));
  caller oid;
BEGIN
  DROP FUNCTION IF EXISTS moat.enter(text, bigint, text, bytea, text), moat.current_tenant(), moat.current_fact(text);
  -- Who called them keeps the schema only where something else in it is theirs to use.
  FOREACH caller IN ARRAY callers LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_class WHERE relnamespace = 'moat'::regnamespace AND CASE relkind
          WHEN 'S' THEN pg_catalog.has_sequence_privilege(caller, oid, 'USAGE, SELECT')
          WHEN 'i' THEN false WHEN 'I' THEN false WHEN 'c' THEN false
          ELSE pg_catalog.has_any_column_privilege(caller, oid, 'SELECT, INSERT, UPDATE')
            OR pg_catalog.has_table_privilege(caller, oid, 'DELETE') END)
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_proc WHERE pronamespace = 'moat'::regnamespace
          AND pg_catalog.has_function_privilege(caller, oid, 'EXECUTE')) THEN
      EXECUTE pg_catalog.format('REVOKE USAGE ON SCHEMA moat FROM %s', caller::regrole);
    END IF;
  END LOOP;
END
$moat$;
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
