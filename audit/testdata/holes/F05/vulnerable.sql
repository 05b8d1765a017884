-- object: app.doc.doc_tags
ALTER TABLE app.doc ADD COLUMN tags jsonb;
CREATE INDEX doc_tags ON app.doc USING gin (tags);
