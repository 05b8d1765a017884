-- object: app.v_upd()
ALTER TABLE app.doc NO FORCE ROW LEVEL SECURITY;
CREATE VIEW app.v AS SELECT id, body FROM app.doc WHERE tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid);
ALTER VIEW app.v OWNER TO {{owner}};
CREATE FUNCTION app.v_upd() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, app, pg_temp AS $$ BEGIN UPDATE doc SET body = NEW.body WHERE id = NEW.id; RETURN NEW; END $$;
ALTER FUNCTION app.v_upd() OWNER TO {{owner}};
CREATE TRIGGER v_upd INSTEAD OF UPDATE ON app.v FOR EACH ROW EXECUTE FUNCTION app.v_upd();
GRANT SELECT, UPDATE ON app.v TO {{app}};
