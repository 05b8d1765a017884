-- from pg_dump
\restrict abc
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
CREATE TABLE public.leads (
    id bigint PRIMARY KEY,
    tenant_id uuid NOT NULL,
    email text NOT NULL
);
COPY public.leads (id, tenant_id, email) FROM stdin;
1	11111111-1111-1111-1111-111111111111	a;b
\.

\unrestrict abc
