-- object: app.get_doc(uuid,integer)
CREATE FUNCTION app.get_doc(p_tenant uuid, p_id int) RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$BEGIN IF p_tenant IS DISTINCT FROM nullif(current_setting('app.current_tenant', true), '')::uuid THEN RAISE EXCEPTION 'not yours'; END IF; RETURN (SELECT body FROM app.doc WHERE id = p_id); END$$;
