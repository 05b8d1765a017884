-- :name returns :returned, when enter sealed it in this
-- transaction of this backend, and NULL otherwise. The start of the transaction and
-- the process id are authenticated with it, so a copied value is void anywhere else.
CREATE OR REPLACE FUNCTION moat.:name
RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $moat$
DECLARE
  sealed    text := current_setting(':from', true);
  inner_pad bytea;
  outer_pad bytea;
BEGIN
  IF sealed = '' OR sealed IS NULL THEN
    RETURN NULL;
  END IF;
  SELECT k.seal_inner, k.seal_outer INTO inner_pad, outer_pad FROM moat.seal_key k WHERE k.id = substr(sealed, 66, 8);
  IF substr(sealed, 65, 1) = ':kind' AND encode(sha256(outer_pad || sha256(inner_pad
       || timestamptz_send(transaction_timestamp()) || convert_to(substr(sealed, 65), 'UTF8'))), 'hex') = left(sealed, 64) THEN
    IF substr(sealed, 74, 10)::int = pg_backend_pid() THEN
      RETURN :value;
    END IF;
    -- A parallel worker stands in for its leader.
    PERFORM FROM pg_stat_get_activity(pg_backend_pid()) w WHERE w.leader_pid = substr(sealed, 74, 10)::int;
    IF FOUND THEN
      RETURN :value;
    END IF;
  END IF;
  RETURN NULL;
END
$moat$;
