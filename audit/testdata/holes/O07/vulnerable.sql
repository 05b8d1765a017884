-- object: app.doc.doc_slug_key
ALTER TABLE app.doc ADD COLUMN slug text;
UPDATE app.doc SET slug = 'doc-' || id;
ALTER TABLE app.doc ADD CONSTRAINT doc_slug_key UNIQUE (slug);
