-- object: app.doc
ALTER TABLE app.doc DISABLE ROW LEVEL SECURITY;
