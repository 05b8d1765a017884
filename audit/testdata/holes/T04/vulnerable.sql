-- object: app.archive
CREATE TABLE app.archive (tenant_id uuid NOT NULL, body text);
ALTER TABLE app.archive OWNER TO {{owner}};
