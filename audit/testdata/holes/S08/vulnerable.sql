-- object: app.seq
CREATE SEQUENCE app.seq;
ALTER SEQUENCE app.seq OWNER TO {{owner}};
GRANT USAGE ON SEQUENCE app.seq TO {{app}};
