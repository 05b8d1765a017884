-- object: app.person
CREATE TABLE app.person (id int PRIMARY KEY, name text, email text);
CREATE TABLE app.doc_member (tenant_id uuid NOT NULL, person_id int NOT NULL REFERENCES app.person, PRIMARY KEY (tenant_id, person_id));
CREATE POLICY iso ON app.doc_member USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true), '')::uuid));
ALTER TABLE app.doc_member ENABLE ROW LEVEL SECURITY; ALTER TABLE app.doc_member FORCE ROW LEVEL SECURITY;
INSERT INTO app.person VALUES (1, 'Ann', 'ann@a.example'), (2, 'Bob', 'bob@b.example');
INSERT INTO app.doc_member VALUES ('11111111-1111-1111-1111-111111111111', 1), ('22222222-2222-2222-2222-222222222222', 2);
CREATE VIEW app.people AS SELECT id, name, email FROM app.person;
GRANT SELECT ON app.people TO {{app}};
