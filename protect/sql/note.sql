
-- Writes a note, unless the session has written as much as it may in this second.
DECLARE
  -- A statement is cut before it is read: a literal that is open at the end ends there.
  sent text := left(said, 4000);
  application text := current_setting('application_name');
  prepared text;
  hash bigint;
  memory text;
  known text[];
  seen bigint := 1;
  written bigint := 0;
  second text := extract(epoch FROM date_trunc('second', statement_timestamp()))::bigint::text;
  budget text[] := string_to_array(current_setting('moat.budget', true), ' ');
  spent int := CASE WHEN budget[1] = second THEN budget[2]::int ELSE 0 END;
BEGIN
  IF spent >= 20 OR pg_relation_size('moat.notes') >= :bytes THEN
    RETURN;
  END IF;
  PERFORM set_config('moat.budget', second || ' ' || spent + 1, false);
  -- What is executed or fetched says more than EXECUTE and FETCH.
  IF sent ~* '^\s*execute\s' THEN
    SELECT regexp_replace(p.statement, '^\s*prepare\s.*?\sas\s', '', 'i') INTO prepared FROM pg_prepared_statements p
     WHERE p.name = lower((regexp_match(sent, '^\s*execute\s+"?([\w$]+)', 'i'))[1]);
  ELSIF sent ~* '^\s*(fetch|move)\s' THEN
    SELECT regexp_replace(c.statement, '^\s*declare\s.*?\sfor\s', '', 'i') INTO prepared FROM pg_cursors c
     WHERE c.name = lower((regexp_match(sent, '([\w$]+)"?[\s;]*$'))[1]);
  END IF;
  sent := moat.without_literals(coalesce(left(prepared, 4000), sent));
  -- By its text without literals a statement counts once, whatever its literals are.
  hash := hashtextextended(concat_ws(E'\x1f', relation, reason, tenant, application, sent), 0);
  memory := 'moat.t' || (hash & 255);
  known := string_to_array(current_setting(memory, true), ' ');
  IF known[1] = hash::text THEN
    seen := known[2]::bigint + 1;
    written := known[3]::bigint;
  END IF;
  IF seen >= 2 * written THEN
    INSERT INTO moat.notes (relation, reason, tenant, role, application, command, statement, times)
    VALUES (relation, reason, tenant, coalesce(nullif(current_setting('role'), 'none'), session_user), left(application, 64),
      coalesce(upper((regexp_match(regexp_replace(sent, '^\W*with\M.*?\m(insert|update|delete|merge)\M', '\1', 'i'), '^\W*(\w+)'))[1]), '?'),
      sent, seen - written);
    written := seen;
  END IF;
  PERFORM set_config(memory, concat_ws(' ', hash, seen, written), false);
EXCEPTION WHEN OTHERS THEN
  RETURN; -- the server has counted the statement
END
