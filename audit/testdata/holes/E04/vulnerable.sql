-- object: r_guard
CREATE FUNCTION app.guard() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE r record;
BEGIN
  FOR r IN SELECT DISTINCT c.oid FROM pg_event_trigger_ddl_commands() d JOIN pg_class c ON c.oid = d.objid
    WHERE d.classid = 'pg_class'::regclass AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND NOT c.relrowsecurity
  LOOP
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', r.oid::regclass);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', r.oid::regclass);
  END LOOP;
END $$;
CREATE EVENT TRIGGER r_guard ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION app.guard();
ALTER EVENT TRIGGER r_guard ENABLE ALWAYS;
