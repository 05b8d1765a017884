-- object: app.doc
ALTER TABLE app.doc NO FORCE ROW LEVEL SECURITY;
ALTER ROLE {{app}} NOINHERIT;
GRANT {{owner}} TO {{app}};
