-- object: app.is_operator()
CREATE FUNCTION app.is_operator() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = '' AS $$ SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = session_user AND rolbypassrls) $$;
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid) AND app.is_operator());
