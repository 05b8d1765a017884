
-- Notes the statement that runs, and returns how many rows of the counter to read: see
-- docs/decisions/0009. It must never make the statement fail, nor wait for anybody.
DECLARE
  said text := current_query();
  application text := current_setting('application_name');
  hash bigint := hashtextextended(concat_ws(E'\x1f', relation, reason, tenant, application, said), 0);
  -- What the session remembers goes with a transaction that rolls back, as its notes do.
  memory text := 'moat.s' || (hash & 255);
  known text[] := string_to_array(current_setting(memory, true), ' ');
  started text := extract(epoch FROM statement_timestamp())::text;
  times bigint := 1;
BEGIN
  IF known[1] = hash::text THEN
    IF known[2] = started THEN
      RETURN 0;
    END IF;
    times := known[3]::bigint + 1;
  END IF;
  IF current_setting('transaction_read_only') = 'on' THEN
    times := times - 1; -- a later transaction may write the note
  END IF;
  PERFORM set_config(memory, concat_ws(' ', hash, started, times), false);
  -- The first, the second, the fourth time …: few notes for a statement that comes often.
  IF times > 0 AND times & (times - 1) = 0 THEN
    :flush
    PERFORM moat.note(relation, reason, tenant, application, said, (times + 1) / 2);
  ELSIF times = 0 THEN
    :flush
  END IF;
  RETURN CASE WHEN tenant THEN 2 ELSE 1 END;
END
