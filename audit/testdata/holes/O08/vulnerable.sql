-- object: app.doc_id_seq
CREATE SEQUENCE app.doc_id_seq;
SELECT setval('app.doc_id_seq', 2);
ALTER SEQUENCE app.doc_id_seq OWNER TO {{owner}};
ALTER SEQUENCE app.doc_id_seq OWNED BY app.doc.id;
ALTER TABLE app.doc ALTER id SET DEFAULT nextval('app.doc_id_seq');
GRANT USAGE, SELECT ON SEQUENCE app.doc_id_seq TO {{app}};
