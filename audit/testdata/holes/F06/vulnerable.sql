-- object: app.doc.iso
INSERT INTO app.doc SELECT 1000 + i, '11111111-1111-1111-1111-111111111111', 'many' FROM generate_series(1, 20000) i;
ANALYZE app.doc;
