ALTER TABLE app.doc DROP CONSTRAINT doc_email_key;
ALTER TABLE app.doc ADD UNIQUE (tenant_id, email);
