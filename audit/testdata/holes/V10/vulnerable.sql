-- object: app.job.r
ALTER TABLE app.doc NO FORCE ROW LEVEL SECURITY;
CREATE TABLE app.job (id int PRIMARY KEY, payload text);
ALTER TABLE app.job OWNER TO {{owner}};
CREATE TABLE app.job_result (id int, payload text);
ALTER TABLE app.job_result OWNER TO {{owner}};
CREATE RULE r AS ON INSERT TO app.job DO ALSO INSERT INTO app.job_result SELECT id, body FROM app.doc;
GRANT SELECT, INSERT ON app.job TO {{app}};
GRANT SELECT ON app.job_result TO {{app}};
