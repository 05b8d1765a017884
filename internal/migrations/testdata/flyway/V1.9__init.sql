CREATE TABLE leads (
    id bigint PRIMARY KEY,
    tenant_id uuid NOT NULL,
    email text NOT NULL
);
