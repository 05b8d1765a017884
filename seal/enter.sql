-- enter binds the transaction to the tenant that the signature names. Every refusal
-- that a forger could learn from reads the same; only who holds a genuine token is
-- told that it is too old. The way that every statement takes is one SELECT with few
-- functions in it: each is set up again, rights and all, in every transaction.
CREATE OR REPLACE FUNCTION moat.enter(tenant text, expires bigint, key text, signature bytea, facts text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $moat$
DECLARE
  sealed  text := current_setting('moat.sealed', true);
  digest  text := encode(sha256(convert_to(facts, 'UTF8')), 'hex');
  scratch text;
BEGIN
  IF sealed <> '' THEN
    IF moat.current_tenant() <> tenant THEN
      RAISE EXCEPTION 'moat: the transaction is bound to another tenant' USING ERRCODE = 'invalid_authorization_specification';
    ELSIF moat.current_tenant() = tenant AND substr(sealed, 73, 64) <> digest THEN
      RAISE EXCEPTION 'moat: the transaction is bound to other facts' USING ERRCODE = 'invalid_authorization_specification';
    END IF;
  END IF;
  -- The sealed value: the MAC in 64 characters, the key in 8, the hash of the facts in
  -- 64, the tenant. So the facts stand and fall with the tenant: whoever drops or
  -- changes them is told so by current_fact. The plain setting is for column defaults
  -- and the like; no sealed policy reads it.
  SELECT set_config('moat.sealed', encode(sha256(k.seal_outer || sha256(k.seal_inner || timestamptz_send(transaction_timestamp())
           || int4send(pg_backend_pid()) || convert_to('t' || key || digest || tenant, 'UTF8'))), 'hex') || key || digest || tenant, true)
      || set_config('moat.sealed_facts', facts, true) || set_config(:setting, tenant, true)
    INTO scratch
    FROM moat.seal_key k
   WHERE k.id = key AND (k.valid_until IS NULL OR k.valid_until > clock_timestamp())
     AND :signed AND tenant <> ''
     AND expires - date_part('epoch', clock_timestamp()) BETWEEN 0 AND 300;
  IF NOT FOUND THEN
    PERFORM FROM moat.seal_key k WHERE k.id = key AND (k.valid_until IS NULL OR k.valid_until > clock_timestamp()) AND :signed AND tenant <> '';
    IF FOUND THEN
      RAISE EXCEPTION 'moat: the tenant''s signature has expired, or is valid for more than 300 seconds' USING ERRCODE = 'invalid_authorization_specification',
        HINT = 'Compare the clocks of the client and the database server.';
    END IF;
    RAISE EXCEPTION 'moat: the tenant''s signature could not be verified' USING ERRCODE = 'invalid_authorization_specification',
      HINT = 'The database does not have the signing key, or has retired it, or a pooler hides the server connection.';
  END IF;
END
$moat$;
