-- What Citus has in the catalog, as far as moat reads it: plain PostgreSQL looks like a
-- coordinator. Shards are tables of schema pg_shards, named as Citus names them.
SELECT pg_catalog.set_config('allow_system_table_mods', 'on', true);
INSERT INTO pg_catalog.pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
  SELECT max(oid)::int8 + 1, 'citus', 10, 11, false, '13.2-1' FROM pg_catalog.pg_extension;
CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass PRIMARY KEY, partmethod "char" NOT NULL,
  partkey text, colocationid int NOT NULL, repmodel "char" NOT NULL, autoconverted bool NOT NULL DEFAULT false);
GRANT SELECT ON pg_catalog.pg_dist_partition TO PUBLIC;
CREATE SCHEMA pg_shards;
CREATE FUNCTION pg_catalog.create_distributed_table(what regclass, by text, colocate_with text DEFAULT 'default')
  RETURNS void LANGUAGE sql AS $$
  INSERT INTO pg_catalog.pg_dist_partition
    SELECT what, 'h', '{VAR :varno 1 :varattno ' || a.attnum || ' :vartype ' || a.atttypid || '}', 1, 's'
      FROM pg_catalog.pg_attribute a WHERE a.attrelid = what AND a.attname = by
    ON CONFLICT (logicalrelid) DO UPDATE SET partmethod = 'h', partkey = excluded.partkey $$;
CREATE FUNCTION pg_catalog.create_reference_table(what regclass) RETURNS void LANGUAGE sql AS $$
  INSERT INTO pg_catalog.pg_dist_partition VALUES (what, 'n', NULL, 2, 't') ON CONFLICT DO NOTHING $$;
CREATE FUNCTION pg_catalog.run_command_on_placements(table_name regclass, command text, parallel bool DEFAULT true)
  RETURNS TABLE (nodename text, nodeport int, shardid bigint, success bool, result text)
  LANGUAGE plpgsql SET search_path = public AS $$
DECLARE
  shard name;
  command_there text;
BEGIN
  FOR shard IN SELECT c.relname FROM pg_catalog.pg_class c
    WHERE c.relnamespace = 'pg_shards'::regnamespace AND c.relkind = 'r'
      AND c.relname ~ ('^' || (SELECT relname FROM pg_catalog.pg_class WHERE oid = table_name) || '_[0-9]+$')
  LOOP
    nodename := 'worker';
    nodeport := 5432;
    shardid := substring(shard from '[0-9]+$');
    BEGIN
      command_there := pg_catalog.format(command, 'pg_shards.' || pg_catalog.quote_ident(shard));
      IF command_there ~* '^\s*select' THEN
        EXECUTE command_there INTO result;
      ELSE
        EXECUTE command_there;
      END IF;
      success := true;
    EXCEPTION WHEN OTHERS THEN
      success := false;
      result := SQLERRM;
    END;
    RETURN NEXT;
  END LOOP;
END $$;
CREATE FUNCTION pg_catalog.run_command_on_workers(command text, parallel bool DEFAULT true)
  RETURNS TABLE (nodename text, nodeport int, success bool, result text) LANGUAGE plpgsql AS $$
BEGIN -- the one worker is this database itself
  EXECUTE command;
  RETURN QUERY SELECT 'worker', 5432, true, NULL::text;
EXCEPTION WHEN OTHERS THEN
  RETURN QUERY SELECT 'worker', 5432, false, SQLERRM;
END $$;
