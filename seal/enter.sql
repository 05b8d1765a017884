-- enter binds the transaction to the tenant that the signature names. Every refusal
-- that a forger could learn from reads the same; only who holds a genuine token is
-- told that it is too old. One statement does the work: each further expression of a
-- PL/pgSQL function costs again in every transaction.
CREATE OR REPLACE FUNCTION moat.enter(tenant text, expires bigint, key text, signature bytea, facts text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $moat$
DECLARE
  bound text;
BEGIN
  IF current_setting('moat.sealed', true) <> '' AND moat.current_tenant() <> tenant THEN
    RAISE EXCEPTION 'moat: the transaction is bound to another tenant' USING ERRCODE = 'invalid_authorization_specification';
  END IF;
  -- The sealed value: the MAC in 64 characters, the kind in 1, the key in 8, the rest.
  -- The plain setting is for column defaults and the like; no sealed policy reads it.
  SELECT set_config('moat.sealed', encode(sha256(k.seal_outer || sha256(k.seal_inner || timestamptz_send(transaction_timestamp())
           || int4send(pg_backend_pid()) || convert_to('t' || key || tenant, 'UTF8'))), 'hex') || 't' || key || tenant, true)
      || set_config(:setting, tenant, true)
      || CASE
           WHEN facts <> '' THEN
             set_config('moat.sealed_facts', encode(sha256(k.seal_outer || sha256(k.seal_inner || timestamptz_send(transaction_timestamp())
               || int4send(pg_backend_pid()) || convert_to('f' || key || facts, 'UTF8'))), 'hex') || 'f' || key || facts, true)
           WHEN current_setting('moat.sealed_facts', true) <> '' THEN set_config('moat.sealed_facts', '', true)
         END
    INTO bound
    FROM moat.seal_key k
   WHERE k.id = key AND (k.valid_until IS NULL OR k.valid_until > clock_timestamp())
     AND :signed AND tenant <> ''
     AND expires - date_part('epoch', clock_timestamp()) BETWEEN 0 AND 300;
  IF FOUND THEN
    RETURN;
  END IF;
  PERFORM FROM moat.seal_key k WHERE k.id = key AND (k.valid_until IS NULL OR k.valid_until > clock_timestamp()) AND :signed AND tenant <> '';
  IF FOUND THEN
    RAISE EXCEPTION 'moat: the tenant''s signature has expired, or is valid for more than 300 seconds' USING ERRCODE = 'invalid_authorization_specification',
      HINT = 'Compare the clocks of the client and the database server.';
  END IF;
  RAISE EXCEPTION 'moat: the tenant''s signature could not be verified' USING ERRCODE = 'invalid_authorization_specification',
    HINT = 'The database does not have the signing key, or has retired it, or a pooler hides the server connection.';
END
$moat$;
