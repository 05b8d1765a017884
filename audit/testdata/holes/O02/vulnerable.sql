-- object: app.booking.booking_room_during_excl
CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE TABLE app.booking (id int NOT NULL, tenant_id uuid NOT NULL, room int NOT NULL, during int4range NOT NULL, PRIMARY KEY (tenant_id, id), CONSTRAINT booking_room_during_excl EXCLUDE USING gist (room WITH =, during WITH &&));
INSERT INTO app.booking VALUES (1, '11111111-1111-1111-1111-111111111111', 1, '[1,5)'), (2, '22222222-2222-2222-2222-222222222222', 1, '[5,9)');
ALTER TABLE app.booking OWNER TO {{owner}};
CREATE POLICY iso ON app.booking USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
ALTER TABLE app.booking ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.booking FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.booking TO {{app}};
