-- object: app.doc.doc_email_key
ALTER TABLE app.doc ADD COLUMN email text;
UPDATE app.doc SET email = id || '@example.com';
ALTER TABLE app.doc ADD CONSTRAINT doc_email_key UNIQUE (email);
