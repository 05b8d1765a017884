-- object: app.doc_lang
CREATE VIEW app.doc_lang WITH (security_barrier) AS SELECT *, current_setting('app.lang', true) AS lang FROM app.doc;
GRANT SELECT ON app.doc_lang TO {{app}};
