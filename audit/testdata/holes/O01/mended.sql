ALTER TABLE app.doc DROP CONSTRAINT doc_email_key;
ALTER TABLE app.doc ADD CONSTRAINT doc_tenant_email_key UNIQUE (tenant_id, email);
