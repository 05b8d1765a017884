-- object: app.doc.tenant_isolation
DROP POLICY iso ON app.doc;
CREATE POLICY access ON app.doc USING (true);
CREATE POLICY tenant_isolation ON app.doc AS RESTRICTIVE;
