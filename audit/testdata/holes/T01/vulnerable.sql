-- object: app.outbox
CREATE TABLE app.outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload text NOT NULL);
INSERT INTO app.outbox (payload) VALUES ('a letter'), ('b letter');
ALTER TABLE app.outbox OWNER TO {{owner}};
GRANT SELECT, INSERT, UPDATE, DELETE ON app.outbox TO {{app}};
