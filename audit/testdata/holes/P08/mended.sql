DROP POLICY importer ON app.doc;
