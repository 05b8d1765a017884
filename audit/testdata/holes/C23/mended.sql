REVOKE SELECT (body) ON app.doc_bak FROM {{app}};
