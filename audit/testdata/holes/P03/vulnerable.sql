-- object: app.doc.pub
ALTER TABLE app.doc ADD COLUMN is_public boolean NOT NULL DEFAULT true;
CREATE POLICY pub ON app.doc FOR SELECT USING (is_public);
