-- object: app.outbox
CREATE TABLE app.outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, payload text NOT NULL);
INSERT INTO app.outbox (payload) VALUES ('a letter'), ('b letter');
CREATE FUNCTION app.next_job() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT payload FROM app.outbox';
