-- object: app.ev
CREATE TABLE app.ev (id int NOT NULL, tenant_id uuid NOT NULL, body text, PRIMARY KEY (tenant_id, id)) PARTITION BY RANGE (id);
CREATE TABLE app.ev_1 PARTITION OF app.ev FOR VALUES FROM (0) TO (100);
CREATE TABLE app.ev_2 PARTITION OF app.ev FOR VALUES FROM (100) TO (200);
INSERT INTO app.ev VALUES (1, '11111111-1111-1111-1111-111111111111', 'a event'), (2, '22222222-2222-2222-2222-222222222222', 'b event'), (101, '11111111-1111-1111-1111-111111111111', 'a later'), (102, '22222222-2222-2222-2222-222222222222', 'b later');
ALTER TABLE app.ev OWNER TO {{owner}};
ALTER TABLE app.ev_1 OWNER TO {{owner}};
ALTER TABLE app.ev_2 OWNER TO {{owner}};
CREATE POLICY iso ON app.ev_1 USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
ALTER TABLE app.ev_1 ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.ev_1 FORCE ROW LEVEL SECURITY;
CREATE POLICY iso ON app.ev_2 USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
ALTER TABLE app.ev_2 ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.ev_2 FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.ev TO {{app}};
