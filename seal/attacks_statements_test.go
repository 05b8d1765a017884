package seal_test

// settingInStatements sets the tenant by whole statements. ";;" parts what is sent in
// messages of its own, so that one may fail.
var settingInStatements = []attack{
	{name: "SET LOCAL", leaks: true, sql: `set local app.current_tenant = '{B}'; select name from leads`},
	{name: "SET", leaks: true, sql: `set app.current_tenant = '{B}'; select name from leads`},
	{name: "DO block", leaks: true,
		sql: `do $$ declare s text; begin perform set_config('app.current_tenant', '{B}', true);
			select string_agg(name, ',') into s from leads; raise notice '%', s; end $$`},
	{name: "COMMIT, then a transaction of its own", leaks: true,
		sql: `commit; begin; set local app.current_tenant = '{B}'; select name from leads`},
	{name: "COMMIT, then SET for the session", leaks: true,
		sql: `commit; set app.current_tenant = '{B}';; select name from leads`},
	{name: "ROLLBACK AND CHAIN, then SET LOCAL", leaks: true,
		sql: `rollback and chain; set local app.current_tenant = '{B}'; select name from leads`},
	{name: "function with a setting of its own",
		sql: `create function pg_temp.f() returns setof text language sql set app.current_tenant = '{B}' as
			'select name from app.leads'; select pg_temp.f()`},
	{name: "prepared statement, executed after SET", leaks: true,
		sql: `prepare p as select name from leads; execute p; set local app.current_tenant = '{B}'; execute p`},
	{name: "cursor, fetched after SET", leaks: true,
		sql: `declare c cursor for select name from leads; set local app.current_tenant = '{B}'; fetch all from c`},
	{name: "SET between savepoints", leaks: true,
		sql: `savepoint s; set local app.current_tenant = '{B}'; select name from leads; rollback to s`},
	{name: "SET in a block with an exception handler", leaks: true,
		sql: `do $$ declare s text; begin begin set local app.current_tenant = '{B}';
			select string_agg(name, ',') into s from leads; raise notice '%', s; exception when others then null; end; end $$`},
	{name: "procedure that commits and sets", leaks: true,
		sql: `create procedure pg_temp.p() language plpgsql as $$ declare s text; begin commit; perform
			set_config('app.current_tenant', '{B}', false); select string_agg(name, ',') into s from app.leads; raise notice
			'%', s; end $$; commit;; call pg_temp.p()`},
	{name: "COPY to the client after SET", leaks: true, sql: `set local app.current_tenant = '{B}'; copy (select
		string_agg(name, ',') from leads) to stdout;; do $$ begin raise notice '%', (select string_agg(name, ',') from
		leads); end $$`},
	{name: "EXPLAIN ANALYZE after SET",
		sql: `set local app.current_tenant = '{B}'; explain (analyze, verbose) select name from leads`},
	{name: "write to B after SET", leaks: true,
		sql: `set local app.current_tenant = '{B}'; update leads set name = 'pwned' where tenant_id = '{B}'; commit`},
	{name: "delete of B's rows after SET", leaks: true,
		sql: `set local app.current_tenant = '{B}'; delete from notes; commit`},
	{name: "insert for B by the column's default", leaks: true,
		sql: `set local app.current_tenant = '{B}'; insert into notes (id, lead_id, body) values (99, 1, 'planted'); commit`},
	{name: "SET ROLE to the functions' owner",
		sql: `set role "{sealer}";; select encode(token_inner, 'hex') from moat.seal_key`},
	{name: "SET SESSION AUTHORIZATION", sql: `set session authorization postgres;; select name from leads`},
	{name: "row_security off", sql: `set local row_security = off; select name from leads`},
	{name: "RESET ALL", sql: `reset all; select name from leads`},
	{name: "DISCARD ALL", sql: `commit;; discard all;; select name from app.leads`},
	{name: "setting stored for the role, read by a later request",
		sql: `alter role "{role}" set app.current_tenant = '{B}'; commit`, later: `select name from leads`},
}

var forgedInStatements = []attack{
	{name: "sealed value forged by SET LOCAL", sql: `do $$ begin execute format('set local moat.sealed = %L',
		replace(current_setting('moat.sealed', true), '{A}', '{B}')); raise notice '%', (select string_agg(name, ',') from
		leads); end $$`},
	{name: "sealed value of an earlier transaction, after COMMIT",
		sql: `commit; begin; set local moat.sealed = '{seal earlier}'; select name from leads`},
	{name: "sealed value of another connection, after COMMIT",
		sql: `commit; begin; set local moat.sealed = '{seal elsewhere}'; select name from leads`},
	{name: "sealed value for the session, outside a transaction",
		sql: `commit; set moat.sealed = '{seal earlier}';; select name from leads`},
	{name: "sealed value with the other's snapshot and transaction start",
		sql: `commit; begin isolation level repeatable read; set local moat.sealed = '{seal elsewhere}';
			select name from leads`},
	{name: "no binding at all", sql: `commit;; select name from leads`},
	{name: "rollback to a savepoint before the forgery",
		sql: `savepoint s; set local moat.sealed = '{seal elsewhere}'; rollback to s; select name from leads`},
	{name: "expired token in a transaction of its own",
		sql: `commit; begin; select {enter expired}; select name from leads`},
	{name: "token of another connection in a transaction of its own",
		sql: `commit; begin; select {enter elsewhere};; select name from leads`},
	{name: "retired key in a transaction of its own",
		sql: `commit; begin; select {enter retired};; select name from leads`},
	{name: "second binding after clearing the first, with a stale token",
		sql: `set local moat.sealed = ''; do $$ begin perform {enter elsewhere};
			exception when others then raise notice 'no'; end $$; select name from leads`},
	{name: "plans printed to the client", sql: `set local client_min_messages = debug5; set local debug_print_plan = on;
		set local debug_print_parse = on; select moat.current_tenant(); select name from leads`},
	{name: "custom plans printed to the client", sql: `set local plan_cache_mode = force_custom_plan;
		set local client_min_messages = debug5; set local debug_print_plan = on; set local debug_print_rewritten = on; select
		moat.current_tenant()`},
	{name: "EXPLAIN of the function",
		sql: `explain (analyze, verbose) select moat.current_tenant(), moat.enter('{B}', 1, '{key}', '', '')`},
	{name: "unexpired token of B's captured on this connection, in a transaction of its own", remains: true,
		sql: `commit; begin; select {enter live}; select name from leads`},
}

var shadowing = []attack{
	{name: "function of the same name in pg_temp", sql: `create function pg_temp.current_tenant() returns text language
		sql as $$ select '{B}' $$; set local search_path = pg_temp, moat, app; select name from app.leads`},
	{name: "built-in functions in pg_temp, ahead of pg_catalog",
		sql: `create function pg_temp.sha256(bytea) returns bytea language sql as $$ select '\x00'::bytea $$;
			create function pg_temp.encode(bytea, text) returns text language sql as $$ select repeat('0', 64) $$; set local
			search_path = pg_temp, pg_catalog, app; set local moat.sealed =
			'{zeros}{key}{zeros}{B}'; select name from app.leads`},
	{name: "key table in pg_temp", sql: `create temp table seal_key (id text, token_inner bytea, token_outer bytea,
		seal_inner bytea, seal_outer bytea, any_backend boolean, created_at timestamptz, valid_until timestamptz); insert
		into seal_key values ('{key}', repeat('6', 64)::bytea, repeat('6', 64)::bytea, repeat('6', 64)::bytea, repeat('6',
		64)::bytea, true); set local search_path = pg_temp, app; set local moat.sealed = ''; select moat.enter('{B}',
		extract(epoch from now())::bigint + 10, '{key}', sha256('x'), '');; select name from app.leads`},
	{name: "equality of uuid in pg_temp", sql: `create function pg_temp.yes(uuid, uuid) returns boolean language sql as
		$$ select true $$; create operator pg_temp.= (function = pg_temp.yes, leftarg = uuid, rightarg = uuid); set local
		search_path = pg_temp, pg_catalog, app; select name from app.leads`},
	{name: "type uuid in pg_temp", sql: `create domain pg_temp.uuid as text;
		set local search_path = pg_temp, pg_catalog, app; select name from app.leads`},
	{name: "statistics view in pg_temp, for the worker's leader", sql: `create function pg_temp.pg_stat_get_activity(int)
		returns table (leader_pid int) language sql as $$ select 1 $$; set local search_path = pg_temp, pg_catalog, app; set
		local moat.sealed = '{seal elsewhere}'; select name from app.leads`},
	{name: "built-in functions in a schema of one's own", sql: replacedFunctions},
	{name: "function moat.current_tenant replaced", sql: `create or replace function moat.current_tenant() returns text
		language sql as $$ select '{B}' $$;; select name from leads`},
	{name: "function moat.enter with other arguments",
		sql: `create function moat.enter(text) returns void language sql as $$ select $$;; select name from leads`},
	{name: "setting attached to the function",
		sql: `alter function moat.current_tenant() set moat.sealed = '{seal elsewhere}';; select name from leads`},
}

// replacedFunctions needs the right to create a schema; encode then returns what the forged value
// has in place of a MAC.
const replacedFunctions = `create schema evil;; create function evil.encode(bytea, text) returns text
	language sql immutable as
	$$ select repeat('0', 64) $$;;
	grant usage on schema evil to public;; set local search_path = evil, pg_catalog, app;; set local moat.sealed =
		'{zeros}{key}{zeros}{B}';; select name from app.leads;; rollback`

var rights = []attack{
	{name: "policy dropped", sql: `drop policy tenant_isolation on leads;; select name from leads`},
	{name: "policy altered", sql: `alter policy tenant_isolation on leads using (true);; select name from leads`},
	{name: "permissive policy added", sql: `create policy mine on leads using (true);; select name from leads`},
	{name: "row-level security disabled", sql: `alter table leads disable row level security;; select name from leads`},
	{name: "trigger on the table", sql: `create function pg_temp.t() returns trigger language plpgsql as $$ begin raise
		notice '%', new; return new; end $$; create trigger t before insert on leads for each row execute function
		pg_temp.t(); commit`},
	{name: "rule on the table", sql: `create rule r as on insert to leads do also notify x;; commit`},
	{name: "TRUNCATE", sql: `truncate notes;; commit`},
	{name: "BYPASSRLS for oneself", sql: `alter role "{role}" bypassrls;; select name from leads`},
	{name: "membership of the functions' owner",
		sql: `grant "{sealer}" to "{role}";; set role "{sealer}";; select encode(seal_outer, 'hex') from moat.seal_key`},
	{name: "privilege on the key table",
		sql: `grant select on moat.seal_key to public;; select encode(seal_outer, 'hex') from moat.seal_key`},
	{name: "definer function of one's own", sql: `create function pg_temp.f() returns setof text language sql security
		definer as 'select encode(seal_inner, ''hex'') from moat.seal_key';; select pg_temp.f()`},
	{name: "COPY to a program", sql: `copy leads to program 'cat';; select name from leads`},
	{name: "COPY from the client into B", sql: `copy leads from stdin;; select name from leads`},
	{name: "row with B's id", sql: `insert into leads (tenant_id, id, name) values ('{B}', 99, 'planted');; commit`},
	{name: "own rows moved to B", sql: `update leads set tenant_id = '{B}' where id = 20;; commit`},
	{name: "conflict with B's row", sql: `insert into leads (tenant_id, id, name) values ('{B}', 1, 'x') on conflict
		(tenant_id, id) do update set name = leads.name || 'pwned' returning name;; commit`},
	{name: "MERGE over B's rows", sql: `merge into leads l using (values ('{B}'::uuid, 1::bigint)) v(t, i) on l.tenant_id
		= v.t and l.id = v.i when matched then update set name = 'pwned' when not matched then do nothing;; commit`},
	{name: "reference to B's row", sql: `insert into notes (id, lead_id, body) values (99, 999, 'x');; commit`},
	{name: "foreign server", sql: `create extension if not exists postgres_fdw;;
		create server s foreign data wrapper postgres_fdw;; select name from leads`},
	{name: "snapshot of B's transaction", sql: `commit; begin isolation level repeatable read;
		set transaction snapshot '00000003-00000001-1';; select name from leads`},
	{name: "two-phase commit",
		sql: `prepare transaction 'moat_attack';; select name from leads;; rollback prepared 'moat_attack'`},
}

// leftBehind leaves something in the session that B's next request falls into. Only
// clearing the session between requests closes these: Paranoid.
var leftBehind = []attack{
	{name: "temporary table in the place of a real one", leaks: true,
		sql: `create temp table leads (tenant_id uuid, id bigint, name text); grant all on pg_temp.leads to public;
			set search_path = pg_temp, app; commit`,
		later: `select name from pg_temp.leads`},
	{name: "program's statement replaced by one that copies", leaks: true,
		sql: `create temp table loot (name text); do $$ declare p record;
			begin for p in select name from pg_prepared_statements where statement like 'select name from leads%' loop
			execute format('deallocate %I', p.name); execute
				format('prepare %I (bigint) as insert into pg_temp.loot select name '
					|| 'from app.leads where $1 is not null returning name', p.name); end loop; end $$; commit`,
		later: `select name from pg_temp.loot`},
	{name: "binding statement replaced by one that tells the token",
		sql: `create temp table loot (name text); create function pg_temp.tell(tenant text, expires bigint, key text,
			signature bytea, facts text) returns void language plpgsql as $$ begin perform moat.enter(tenant, expires, key,
			signature, facts); insert into pg_temp.loot select name from app.leads; end $$;
			do $$ declare p record; begin for p in select name from pg_prepared_statements where statement like
				'select moat.enter%' loop
			execute format('deallocate %I', p.name); execute
				format('prepare %I (text, bigint, text, bytea, text) as select pg_temp.tell($1, $2, $3, $4, $5)', p.name); end
				loop; end $$; commit`,
		later: `select name from pg_temp.loot`},
	{name: "cursor WITH HOLD of A's own", sql: `declare c cursor with hold for select name from leads; commit`,
		later: `fetch all from c`},
	{name: "temporary view over the table", sql: `create temp view v as select name from app.leads; commit`,
		later: `select name from pg_temp.v`},
	{name: "trigger on a temporary table in the place of a real one", leaks: true,
		sql: `create temp table loot (name text); create temp table leads (tenant_id uuid, id bigint, name text);
			create function pg_temp.t() returns trigger language plpgsql as $$ begin insert into pg_temp.loot values (new.name);
			return new; end $$;
			create trigger t before insert on pg_temp.leads for each row execute function pg_temp.t(); commit`,
		later: `select name from pg_temp.loot`},
	{name: "tenant set for the session", sql: `commit; set app.current_tenant = '{B}'`, later: `select name from leads`},
	{name: "plan made under a forged tenant", sql: `set local app.current_tenant = '{B}';
		prepare q as select name from leads where tenant_id <> '{B}'; execute q; commit`, later: `execute q`},
	{name: "role set for the session", sql: `commit; set role "{sealer}"`, later: `select name from leads`},
}

var connections = []attack{
	{name: "tenant in the options of a new connection", leaks: true, sql: `-c app.current_tenant={B}`},
	{name: "tenant in the options, the other spelling", leaks: true, sql: `--app.current_tenant={B}`},
	{name: "sealed value of an earlier transaction in the options", sql: `-c moat.sealed={seal earlier}`},
	{name: "sealed value of another connection in the options",
		sql: `-c moat.sealed={seal elsewhere} -c app.current_tenant={B}`, leaks: true},
	{name: "role in the options", sql: `-c role={sealer}`},
	{name: "row_security off in the options", sql: `-c row_security=off`},
	{name: "no options", sql: ``},
}
