CREATE POLICY nothing ON app.doc;
