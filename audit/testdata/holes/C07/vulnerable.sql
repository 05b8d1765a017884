-- object: app.doc
ALTER TABLE app.doc NO FORCE ROW LEVEL SECURITY;
GRANT {{owner}} TO {{app}};
