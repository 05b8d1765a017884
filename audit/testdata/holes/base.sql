-- The little schema that every fixture starts from: one tenant table, isolated as
-- it should be, with one row of tenant A and one of tenant B.
CREATE SCHEMA app AUTHORIZATION {{owner}};
GRANT USAGE ON SCHEMA app TO {{app}};
CREATE TABLE app.doc (
    id        int  NOT NULL,
    tenant_id uuid NOT NULL,
    body      text,
    PRIMARY KEY (tenant_id, id)
);
INSERT INTO app.doc VALUES
    (1, '11111111-1111-1111-1111-111111111111', 'a secret'),
    (2, '22222222-2222-2222-2222-222222222222', 'b secret');
ALTER TABLE app.doc OWNER TO {{owner}};
CREATE POLICY iso ON app.doc
    USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
ALTER TABLE app.doc ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.doc FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.doc TO {{app}};
