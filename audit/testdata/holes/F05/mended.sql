DROP INDEX app.doc_tags;
