package seal_test

// attacks are all of them. The names are those of the report.
func attacks() []attack {
	var all []attack
	for _, group := range []struct {
		kind    kind
		attacks []attack
	}{
		{expression, settingInExpression}, {expression, forgedInExpression}, {expression, tokenInExpression},
		{expression, otherInExpression}, {statements, settingInStatements}, {statements, forgedInStatements},
		{statements, shadowing}, {statements, rights}, {statements, leftBehind}, {connection, connections},
	} {
		for _, a := range group.attacks {
			a.kind = group.kind
			all = append(all, a)
		}
	}
	return all
}

// settingInExpression changes a setting in the middle of a statement. OFFSET 0 keeps
// the planner from moving the read ahead of the change.
var settingInExpression = []attack{
	{name: "set_config ahead of a lateral read", leaks: true,
		sql: `union all select null, l.name from (select set_config('app.current_tenant', '{B}', true) as s offset 0) c,
			lateral (select name from leads where c.s <> '' offset 0) l`},
	{name: "set_config in a CASE around a sub-select", leaks: true,
		sql: `union all select null, case when set_config('app.current_tenant', '{B}', true) <> '' then (select
			string_agg(name, ',') from leads) end`},
	{name: "set_config in a materialized CTE", leaks: true,
		sql: `union all (with c as materialized (select set_config('app.current_tenant', '{B}', true) as s) select c.s,
			(select string_agg(name, ',') from leads where c.s <> '') from c)`},
	{name: "set_config, then a query in an XML function", leaks: true,
		sql: `union all select null, query_to_xml('select set_config(''app.current_tenant'', ''{B}'', true)', true, false,
			'')::text || query_to_xml('select name from app.leads', true, false, '')::text`},
	{name: "set_config for the session, read by a later request",
		sql: `union all select null, set_config('app.current_tenant', '{B}', false)`, later: `or true`},
	{name: "set_config under another spelling", leaks: true,
		sql: `union all select null, case when set_config('APP.Current_Tenant', '{B}', true) <> '' then (select
			string_agg(name, ',') from leads) end`},
	{name: "set_config on a partitioned table, where the policy is direct", leaks: true,
		sql: `union all select null, case when set_config('app.current_tenant', '{B}', true) <> '' then
			query_to_xml('select kind from app.events', true, false, '')::text end`},
	{name: "row_security switched off",
		sql: `union all select null, case when set_config('row_security', 'off', true) <> '' then (select string_agg(name,
			',') from leads) end`},
	{name: "role set to the functions' owner",
		sql: `union all select set_config('role', '{sealer}', true), (select string_agg(encode(token_inner, 'hex'), ',')
			from moat.seal_key)`},
	{name: "session_authorization set to a superuser",
		sql: `union all select set_config('session_authorization', 'postgres', true), (select string_agg(name, ',') from
			leads)`},
	{name: "search_path with pg_temp first",
		sql: `union all select null, case when set_config('search_path', 'pg_temp, app, moat', true) <> '' then (select
			string_agg(name, ',') from leads) end`},
	{name: "workers that never saw the leader's process",
		sql: `union all select null, case when set_config('parallel_setup_cost', '0', true) ||
			set_config('parallel_tuple_cost', '0', true) || set_config('min_parallel_table_scan_size', '0', true) <> '' then
			(select string_agg(kind, ',') from events) end`},
}

// forgedInExpression writes the sealed value itself.
var forgedInExpression = []attack{
	{name: "own sealed value with B's name in it",
		sql: readAs(`replace(current_setting('moat.sealed', true), '{A}', '{B}')`)},
	{name: "own MAC, B's name", sql: readAs(`left(current_setting('moat.sealed', true), 136) || '{B}'`)},
	{name: "own MAC over own and B's name", sql: readAs(`current_setting('moat.sealed', true) || '{B}'`)},
	{name: "MAC of zeros", sql: readAs(`repeat('0', 64) || '{key}' || repeat('0', 64) || '{B}'`)},
	{name: "plain hash for a MAC", sql: readAs(`encode(sha256(timestamptz_send(transaction_timestamp()) || int4send(pg_` +
		`backend_pid()) || 't{key}' || repeat('0', 64) || '{B}'), 'hex') || '{key}' || repeat('0', 64) || '{B}'`)},
	{name: "key that does not exist", sql: readAs(`repeat('0', 64) || 'nosuchky' || repeat('0', 64) || '{B}'`)},
	{name: "name without a MAC", sql: readAs(`'{B}'`)},
	{name: "own sealed facts, which hold B's name, for the tenant",
		sql: readAs(`current_setting('moat.sealed_facts', true)`)},
	{name: "own MAC, B's name out of the own facts",
		sql: readAs(`left(current_setting('moat.sealed', true), 136) || substr(current_setting('moat.sealed_facts',` +
			` true), 13, 36)`)},
	{name: "B's sealed value of an earlier transaction of this connection", sql: readAs(`'{seal earlier}'`)},
	{name: "B's sealed value of a transaction that is open elsewhere", sql: readAs(`'{seal elsewhere}'`)},
	{name: "sealed value emptied", sql: readAs(`''`)},
	{name: "sealed value in another client encoding",
		sql: `union all select set_config('client_encoding', 'LATIN1', true), case when set_config('moat.sealed',
			replace(current_setting('moat.sealed', true), '{A}', '{B}'), true) <> '' then (select string_agg(name, ',') from
			leads) end`},
	{name: "own sealed value kept for the session", later: `or true`,
		sql: `union all select null, set_config('moat.sealed', '{seal earlier}', false)`},
}

// readAs is an expression that sets the sealed value and then reads.
func readAs(value string) string {
	return `union all select null, case when set_config('moat.sealed', ` + value +
		`, true) is not null then (select string_agg(name, ',') from leads) end`
}

// enterAs is an expression that takes the binding away, binds by a call of enter, and
// then reads.
func enterAs(call string) string {
	return `union all select null, case when set_config('moat.sealed', '', true) || ` + call +
		`::text is not null then (select string_agg(name, ',') from leads) end`
}

var tokenInExpression = []attack{
	{name: "token of B's for another connection", sql: enterAs(`{enter elsewhere}`)},
	{name: "expired token of B's", sql: enterAs(`{enter expired}`)},
	{name: "token that is valid for too long", sql: enterAs(`{enter eternal}`)},
	{name: "token with a retired key", sql: enterAs(`{enter retired}`)},
	{name: "token with an unknown key", sql: enterAs(`{enter unknown}`)},
	{name: "own token with B's name on it", sql: enterAs(`{enter renamed}`)},
	{name: "token for any connection", sql: enterAs(`{enter anywhere}`)},
	{name: "token of NULLs", sql: enterAs(`moat.enter('{B}', null, null, null, null)`)},
	{name: "NULL signature and unknown key",
		sql: enterAs(`moat.enter('{B}', extract(epoch from now())::bigint + 10, 'nosuchky', null, '')`)},
	{name: "empty signature", sql: enterAs(`moat.enter('{B}', extract(epoch from now())::bigint + 10, '{key}', '', '')`)},
	{name: "own hash for a signature",
		sql: enterAs(`moat.enter('{B}', extract(epoch from now())::bigint + 10, '{key}', sha256('{B}'), '')`)},
	{name: "second binding in the bound transaction",
		sql: `union all select moat.enter('{B}', extract(epoch from now())::bigint + 10, '{key}', sha256('x'), '')::text,
			(select string_agg(name, ',') from leads)`},
	{name: "second binding, with an unexpired token of B's",
		sql: `union all select {enter live}::text, (select string_agg(name, ',') from leads)`},
	{name: "unexpired token of B's captured on this connection", sql: enterAs(`{enter live}`), remains: true},
}

// otherInExpression never touches the binding.
var otherInExpression = []attack{
	{name: "condition that is always true", sql: `or true`},
	{name: "UNION over another table", sql: `union all select tenant_id::text, body from notes`},
	{name: "condition on B's id", sql: `or tenant_id = '{B}'`},
	{name: "physical row addresses", sql: `or ctid in ('(0,21)', '(0,22)', '(0,40)')`},
	{name: "partition by name",
		sql: `union all select null, kind from events_0 union all select null, kind from events_1`},
	{name: "cast whose error tells the value", sql: `or name::int = 1`},
	{name: "cast whose error tells the value, in an aggregate",
		sql: `union all select null, sum(name::int)::text from leads`},
	{name: "statistics of the columns",
		sql: `union all select null, most_common_vals::text || histogram_bounds::text from pg_stats`},
	{name: "raw statistics", sql: `union all select null, (select string_agg(s::text, ',') from pg_statistic s)`},
	{name: "XML of the table", sql: `union all select null, table_to_xml('app.leads', true, false, '')::text`},
	{name: "XML of the schema", sql: `union all select null, schema_to_xml('app', true, false, '')::text`},
	{name: "text search statistics over a query",
		sql: `union all select null, word from ts_stat('select to_tsvector(''simple'', name) from app.leads')`},
	{name: "key table", sql: `union all select id, encode(token_inner, 'hex') from moat.seal_key`},
	{name: "key table through an XML function", sql: `union all select null,
		query_to_xml('select encode(seal_inner, ''hex'') k from moat.seal_key', true, false, '')::text`},
	{name: "statistics of the key table",
		sql: `union all select tablename::text, histogram_bounds::text from pg_stats where schemaname = 'moat'`},
	{name: "source of the functions",
		sql: `union all select proname::text, prosrc from pg_proc where pronamespace = 'moat'::regnamespace`},
	{name: "stored settings", sql: `union all select setdatabase::text, setconfig::text from pg_db_role_setting`},
	{name: "statements of other sessions", sql: `union all select usename::text, query from pg_stat_activity`},
	{name: "prepared statements of this session", sql: `union all select name, statement from pg_prepared_statements`},
	{name: "open cursors of this session", sql: `union all select name, statement from pg_cursors`},
	{name: "server file", sql: `union all select null, pg_read_file('postgresql.conf')`},
	{name: "large objects", sql: `union all select null, encode(lo_get(oid), 'hex') from pg_largeobject_metadata`},
	{name: "facts of the scope", sql: `union all select moat.current_fact('subject'), moat.current_tenant()`},
}
