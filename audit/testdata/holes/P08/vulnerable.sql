-- object: app.doc.importer
CREATE POLICY importer ON app.doc USING (false) WITH CHECK (body IS NOT NULL);
