-- object: app.doc_member
CREATE TABLE app.person (id int PRIMARY KEY, name text);
CREATE TABLE app.doc_member (tenant_id uuid NOT NULL, person_id int NOT NULL REFERENCES app.person, PRIMARY KEY (tenant_id, person_id));
CREATE POLICY iso ON app.doc_member USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
CREATE POLICY members ON app.person FOR SELECT TO {{app}} USING (id = ANY (ARRAY(SELECT m.person_id FROM app.doc_member m
    WHERE m.tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid))));
INSERT INTO app.person VALUES (1, 'Ann'), (2, 'Bob');
INSERT INTO app.doc_member VALUES ('11111111-1111-1111-1111-111111111111', 1), ('22222222-2222-2222-2222-222222222222', 2);
ALTER TABLE app.person ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.person FORCE ROW LEVEL SECURITY;
ALTER TABLE app.doc_member ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.doc_member FORCE ROW LEVEL SECURITY;
ALTER TABLE app.person OWNER TO {{owner}};
ALTER TABLE app.doc_member OWNER TO {{owner}};
GRANT SELECT ON app.person TO {{app}};
GRANT SELECT, INSERT ON app.doc_member TO {{app}};
