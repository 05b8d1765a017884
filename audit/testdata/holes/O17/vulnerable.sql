-- object: app.book(integer,int4range)
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE TABLE app.booking (id int NOT NULL, tenant_id uuid NOT NULL, room int NOT NULL, during int4range NOT NULL, PRIMARY KEY (tenant_id, id), CONSTRAINT booking_room_during_excl EXCLUDE USING gist (room WITH =, during WITH &&));
INSERT INTO app.booking VALUES (1, '11111111-1111-1111-1111-111111111111', 1, '[1,5)'), (2, '22222222-2222-2222-2222-222222222222', 1, '[5,9)');
ALTER TABLE app.booking OWNER TO {{owner}};
ALTER TABLE app.booking ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION app.book(room integer, during int4range) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, app, pg_temp AS $$ INSERT INTO booking VALUES (9, nullif(current_setting('app.current_tenant', true), '')::uuid, room, during) $$;
ALTER FUNCTION app.book(integer, int4range) OWNER TO {{owner}};
