REVOKE ALL ON app.doc_bak, app.doc_2024 FROM {{app}};
