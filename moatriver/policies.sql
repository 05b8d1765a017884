-- A job's tenant is what its metadata say; the policies hold the application to its own.
alter table {schema}.river_job add column if not exists tenant_id {type}
	generated always as ((metadata ->> 'moat_tenant')::{type}) stored;
create index if not exists river_job_tenant on {schema}.river_job (tenant_id, id);

-- Restrictive for the application, so that no later policy widens it. The workers see the
-- jobs of all tenants: they hold nothing else.
drop policy if exists tenant_isolation on {schema}.river_job;
create policy tenant_isolation on {schema}.river_job as restrictive to {application}
	using (tenant_id = (select nullif(current_setting('{setting}', true), '')::{type}))
	with check (tenant_id = (select nullif(current_setting('{setting}', true), '')::{type}));
drop policy if exists tenant_access on {schema}.river_job;
create policy tenant_access on {schema}.river_job to {application} using (true) with check (true);
drop policy if exists workers on {schema}.river_job;
create policy workers on {schema}.river_job to {worker} using (true) with check (true);
alter table {schema}.river_job enable row level security;
alter table {schema}.river_job force row level security;

-- The application enqueues jobs, and completes them in its transaction (JobCompleteTx).
grant usage on schema {schema} to {application}, {worker};
grant select, insert, update on {schema}.river_job to {application};
grant usage on sequence {schema}.river_job_id_seq to {application};
grant select, insert, update, delete on all tables in schema {schema} to {worker};
revoke insert, update, delete on {schema}.river_migration from {worker};
grant usage on all sequences in schema {schema} to {worker};
