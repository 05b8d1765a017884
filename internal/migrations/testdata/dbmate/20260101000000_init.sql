-- migrate:up
CREATE TABLE leads (
    id bigint PRIMARY KEY,
    tenant_id uuid NOT NULL,
    email text NOT NULL
);
-- migrate:down
DROP TABLE leads;
