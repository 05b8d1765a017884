DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (EXISTS (SELECT 1 FROM app.membership m WHERE m.tenant_id = doc.tenant_id AND m.user_id = nullif(current_setting('app.user_id', true), '')::int));
