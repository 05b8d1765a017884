-- object: app.audit_log
CREATE TABLE app.audit_log (at timestamptz NOT NULL DEFAULT now(), what jsonb);
ALTER TABLE app.audit_log OWNER TO {{owner}};
INSERT INTO app.audit_log (what) SELECT to_jsonb(d) FROM app.doc d;
CREATE FUNCTION app.log_doc() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, app, pg_temp AS $$ BEGIN INSERT INTO audit_log (what) VALUES (to_jsonb(NEW)); RETURN NEW; END $$;
ALTER FUNCTION app.log_doc() OWNER TO {{owner}};
CREATE TRIGGER log_doc AFTER INSERT OR UPDATE ON app.doc FOR EACH ROW EXECUTE FUNCTION app.log_doc();
GRANT SELECT ON app.audit_log TO {{app}};
