ALTER TABLE app.booking DROP CONSTRAINT booking_room_during_excl;
ALTER TABLE app.booking ADD EXCLUDE USING gist (tenant_id WITH =, room WITH =, during WITH &&);
