ALTER TABLE app.doc DROP CONSTRAINT doc_slug_key;
ALTER TABLE app.doc ADD UNIQUE (tenant_id, slug);
