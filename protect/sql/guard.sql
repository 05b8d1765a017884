
DECLARE
  command record;
  weakened name;
BEGIN
  -- New tables, and partitions that ALTER TABLE … ATTACH brought: both are empty to
  -- everyone until they have policies.
  FOR command IN
    SELECT DISTINCT c.oid, c.relkind, d.command_tag,
           g.relation IS NOT NULL AS known, c.relrowsecurity AND c.relforcerowsecurity AS forced,
           EXISTS (SELECT FROM moat.protected r WHERE r.relation = pg_partition_root(c.oid) AND r.relation <> c.oid) AS partition
      FROM pg_event_trigger_ddl_commands() d
      CROSS JOIN LATERAL (SELECT d.objid AS oid UNION SELECT t.relid::oid FROM pg_partition_tree(d.objid) t) o
      JOIN pg_class c ON c.oid = o.oid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN (SELECT DISTINCT relation FROM moat.protected) g ON g.relation = c.oid
     WHERE d.classid = 'pg_class'::regclass AND NOT d.in_extension
       AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname = ANY (:schemas)
       AND NOT :tools
  LOOP
    -- Citus makes the shards, and gives them the policies of their table, over connections of
    -- its own, before its catalogue tells of them.
    CONTINUE WHEN to_regclass('pg_catalog.pg_dist_shard') IS NOT NULL
      AND current_setting('application_name') LIKE 'citus\_internal%'
      AND command.oid::regclass::text ~ '_[0-9]{6,}"?$';
    IF command.known AND NOT command.forced THEN
      RAISE EXCEPTION 'moat: row-level security of % may not be weakened', command.oid::regclass
        USING ERRCODE = 'insufficient_privilege', HINT = 'moat protect --undo takes the protection back';
    ELSIF NOT command.known AND (command.partition OR command.command_tag IN ('CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO')) THEN
      INSERT INTO moat.protected VALUES (command.oid, '', '');
      EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', command.oid::regclass);
      RAISE NOTICE 'moat: % is closed to everyone until it has policies', command.oid::regclass
        USING HINT = 'moat protect plans them';
    END IF;
  END LOOP;

  -- A policy that was remembered may not change.
  SELECT g.policy INTO weakened
    FROM pg_event_trigger_ddl_commands() d
    JOIN pg_policy p ON p.oid = d.objid
    JOIN moat.protected g ON g.relation = p.polrelid
   WHERE d.classid = 'pg_policy'::regclass AND g.policy <> '' AND NOT moat.holds(g.relation, g.policy, g.expression)
   LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'moat: policy % may not be weakened', weakened
      USING ERRCODE = 'insufficient_privilege', HINT = 'moat protect --undo takes the protection back';
  END IF;

  -- CREATE OR REPLACE VIEW forgets security_invoker; a materialized view has no
  -- policies at all.
  FOR command IN
    SELECT DISTINCT c.oid, c.relkind
      FROM pg_event_trigger_ddl_commands() d
      JOIN pg_class c ON c.oid = d.objid
      JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE d.classid = 'pg_class'::regclass AND NOT d.in_extension AND c.relkind IN ('v', 'm') AND n.nspname = ANY (:schemas)
       AND NOT coalesce((SELECT o.option_value::boolean FROM pg_options_to_table(c.reloptions) o WHERE o.option_name = 'security_invoker'), false)
       AND moat.reads_protected(c.oid)
  LOOP
    IF command.relkind = 'm' THEN
      EXECUTE format('REVOKE ALL ON %s FROM PUBLIC, %I', command.oid::regclass, :application);
    ELSIF current_setting('server_version_num')::int >= 150000 THEN
      EXECUTE format('ALTER VIEW %s SET (security_invoker = true)', command.oid::regclass);
    END IF;
  END LOOP;
END
