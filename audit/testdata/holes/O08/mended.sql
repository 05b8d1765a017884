REVOKE SELECT ON SEQUENCE app.doc_id_seq FROM {{app}};
