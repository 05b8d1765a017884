CREATE TABLE leads (
    id bigint PRIMARY KEY,
    tenant_id uuid NOT NULL,
    owner uuid DEFAULT auth.uid(),
    email text NOT NULL
);
