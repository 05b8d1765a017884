
DECLARE
  dropped record;
BEGIN
  DELETE FROM moat.protected g USING pg_event_trigger_dropped_objects() d
   WHERE d.classid = 'pg_class'::regclass AND d.objsubid = 0 AND g.relation = d.objid;
  SELECT g.policy, g.relation INTO dropped
    FROM pg_event_trigger_dropped_objects() d
    JOIN moat.protected g ON g.relation = to_regclass(format('%I.%I', d.address_names[1], d.address_names[2])) AND g.policy = d.address_names[3]
   WHERE d.object_type = 'policy'
   LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'moat: policy % of % may not be dropped', dropped.policy, dropped.relation
      USING ERRCODE = 'insufficient_privilege', HINT = 'moat protect --undo takes the protection back';
  END IF;
END
