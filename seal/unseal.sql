-- :name returns :returned, when enter sealed it in this
-- transaction of this backend. Otherwise it :otherwise. The start of the transaction and
-- the process id are authenticated with it, so a copied value is void anywhere else.
CREATE OR REPLACE FUNCTION moat.:name
RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $moat$
DECLARE
  sealed text := current_setting('moat.sealed', true);
  opened text; -- the hash of the facts in 64 characters, the tenant
BEGIN
  IF sealed <> '' THEN
    SELECT substr(sealed, 73) INTO opened
      FROM moat.seal_key k
     WHERE k.id = substr(sealed, 65, 8)
       AND encode(sha256(k.seal_outer || sha256(k.seal_inner || timestamptz_send(transaction_timestamp())
         || int4send(pg_backend_pid()) || convert_to('t' || substr(sealed, 65), 'UTF8'))), 'hex') = left(sealed, 64);
    IF NOT FOUND THEN -- A parallel worker stands in for its leader.
      SELECT substr(sealed, 73) INTO opened
        FROM pg_stat_get_activity(pg_backend_pid()) w, moat.seal_key k
       WHERE w.leader_pid IS NOT NULL AND k.id = substr(sealed, 65, 8)
         AND encode(sha256(k.seal_outer || sha256(k.seal_inner || timestamptz_send(transaction_timestamp())
           || int4send(w.leader_pid) || convert_to('t' || substr(sealed, 65), 'UTF8'))), 'hex') = left(sealed, 64);
    END IF;
  END IF;
:give
END
$moat$;
