-- enter binds the transaction to the tenant that the signature names. Every refusal
-- that a forger could learn from reads the same; only who holds a genuine token is
-- told that it is too old.
CREATE OR REPLACE FUNCTION moat.enter(tenant text, expires bigint, key text, signature bytea, facts text)
RETURNS void LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $moat$
DECLARE
  token_in  bytea;
  token_out bytea;
  seal_in   bytea;
  seal_out  bytea;
  unbound   boolean;
  remaining double precision;
  body      text;
  scratch   text;
BEGIN
  SELECT k.token_inner, k.token_outer, k.seal_inner, k.seal_outer, k.any_backend
    INTO token_in, token_out, seal_in, seal_out, unbound
    FROM moat.seal_key k
   WHERE k.id = key AND (k.valid_until IS NULL OR k.valid_until > clock_timestamp());
  -- A missing key and any NULL argument make this NULL, which is no match.
  IF (sha256(token_out || sha256(token_in || convert_to('moat token 1' || chr(10) || key || chr(10)
        || CASE WHEN unbound THEN 0 ELSE pg_backend_pid() END || chr(10) || expires || chr(10)
        || octet_length(convert_to(tenant, 'UTF8')) || chr(10) || tenant || facts, 'UTF8'))) = signature
      AND tenant <> '') IS NOT TRUE THEN
    RAISE EXCEPTION 'moat: the tenant''s signature could not be verified' USING ERRCODE = 'invalid_authorization_specification',
      HINT = 'The database does not have the signing key, or has retired it, or a pooler hides the server connection.';
  END IF;
  remaining := expires - date_part('epoch', clock_timestamp());
  IF (remaining BETWEEN 0 AND 300) IS NOT TRUE THEN
    RAISE EXCEPTION 'moat: the tenant''s signature has expired, or is valid for more than 300 seconds' USING ERRCODE = 'invalid_authorization_specification',
      HINT = 'Compare the clocks of the client and the database server.';
  END IF;
  IF current_setting('moat.sealed', true) <> '' AND moat.current_tenant() <> tenant THEN
    RAISE EXCEPTION 'moat: the transaction is bound to another tenant' USING ERRCODE = 'invalid_authorization_specification';
  END IF;

  -- Fixed widths: 64 of the MAC, then 1 of the kind, 8 of the key, 10 of the process id.
  body := 't' || key || lpad(pg_backend_pid()::text, 10, '0') || tenant;
  scratch := set_config('moat.sealed', encode(sha256(seal_out || sha256(seal_in
    || timestamptz_send(transaction_timestamp()) || convert_to(body, 'UTF8'))), 'hex') || body, true);
  IF facts <> '' THEN
    body := 'f' || key || lpad(pg_backend_pid()::text, 10, '0') || facts;
    facts := encode(sha256(seal_out || sha256(seal_in
      || timestamptz_send(transaction_timestamp()) || convert_to(body, 'UTF8'))), 'hex') || body;
  END IF;
  scratch := set_config('moat.sealed_facts', facts, true);
  -- For column defaults and whatever else reads the plain setting. No sealed policy does.
  scratch := set_config(:setting, tenant, true);
END
$moat$;
