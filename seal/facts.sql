  -- NULL is for facts that the seal says are not there. Without this a viewer would drop
  -- its role in an expression of its own, and pass a policy for "not a viewer".
  IF opened IS NULL OR left(opened, 64) <> encode(sha256(convert_to(coalesce(current_setting('moat.sealed_facts', true), ''), 'UTF8')), 'hex') THEN
    RAISE EXCEPTION 'moat: the facts of the transaction are missing or were changed' USING ERRCODE = 'invalid_authorization_specification',
      HINT = 'Bind the tenant by its signature first, and leave moat.sealed and moat.sealed_facts alone.';
  END IF;
  RETURN nullif(current_setting('moat.sealed_facts', true), '')::json ->> name;
