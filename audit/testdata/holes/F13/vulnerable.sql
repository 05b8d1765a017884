-- object: app.doc
INSERT INTO app.doc SELECT 1000 + i, '11111111-1111-1111-1111-111111111111', 'many' FROM generate_series(1, 20000) i;
ANALYZE app.doc;
-- as if there were a hundred times as many
UPDATE pg_catalog.pg_class SET reltuples = reltuples * 100 WHERE oid = 'app.doc'::regclass;
