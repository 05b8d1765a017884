-- object: app.doc.iso
DROP POLICY iso ON app.doc;
ALTER TABLE app.doc ADD COLUMN login text;
CREATE POLICY iso ON app.doc USING (login = current_user);
