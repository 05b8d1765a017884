DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (tenant_id = ANY (ARRAY(SELECT m.tenant_id FROM app.membership m WHERE m.user_id = nullif(current_setting('app.user_id', true), '')::int)));
