REVOKE INSERT ON app.doc_member FROM {{app}};
