CREATE OR REPLACE FUNCTION app.write_doc() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN UPDATE app.doc SET body = NEW.body WHERE id = NEW.id AND tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid; RETURN NEW; END $$;
