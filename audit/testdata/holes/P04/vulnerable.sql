-- object: app.doc.iso
DROP POLICY iso ON app.doc;
CREATE POLICY iso ON app.doc USING (true);
