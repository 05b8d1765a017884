# psql and pg_dump as each tenant. Each line of the answers is compared.
set -u
check() { # what, got, want
	[ "$2" = "$3" ] || { printf '%s: %s, want %s\n' "$1" "$2" "$3" >&2; exit 1; }
	echo "ok $1"
}
q() { psql -X -q -At "$@" 2>&1 | tr '\n' ' '; }
names='select name from leads order by name'
running="select count(*) from pg_stat_activity where query like '%pg_sleep(300)%' and state = 'active'
	and pid <> pg_backend_pid()"
export PGUSER=app PGSSLMODE=disable
for who in A B; do
	token=TOKEN_$who; export PGPASSWORD=${!token}
	own='a1 a2 '; [ $who = B ] && own='b1 b2 b3 '
	check all "$(q -c "$names")" "$own"
	check "a string" "$(q -c "$names; begin; $names; commit; $names")" "$own$own$own"
	check "statements" "$(q -c "begin isolation level serializable" -c "$names" -c commit -c "$names")" "$own$own"
	check "a savepoint" "$(q -c begin -c 'savepoint a' -c "$names" -c 'rollback to a' -c "$names" -c commit)" "$own$own"
	check "a chain" "$(q -c begin -c "$names" -c 'commit and chain' -c "$names" -c rollback)" "$own$own"
	check "discarded" "$(q -c 'discard all' -c "$names" -c 'deallocate all' -c "$names")" "$own$own"
	check "\\d" "$(psql -X -c '\d leads' | grep -c '^ *\(tenant_id\|id\|name\) ')" 3
	check "\\copy to" "$(q -c "\\copy ($names) to stdout")" "$own"
	check "\\copy from" "$(printf 'x\n' | psql -X -c '\copy leads(name) from stdin' 2>&1 | grep -c unnest)" 1
	check "\\watch" "$(printf '%s \\watch 0.1\n' "$names" | timeout 60 psql -X -q -At | grep -m3 -c "${own%% *}")" 3
	check "a cursor" "$(q -c begin -c "declare c cursor for $names" -c 'fetch all from c' -c commit)" "$own"
	check "a procedure that commits is refused" "$(q -c 'call commits()' | grep -c 'invalid transaction termination')" 1
	psql -X -At -c 'select pg_sleep(300)' 2>/dev/null & slow=$!
	until [ "$(q -c "$running")" = '1 ' ]; do sleep 0.2; done
	kill -INT $slow; wait $slow; check "Ctrl-C" "$?" 1
	# pg_dump refuses a server that is newer than itself, and nothing else here.
	server=$(q -c "select current_setting('server_version_num')::int / 10000")
	client=$(pg_dump --version | sed 's/.*) \([0-9]*\).*/\1/')
	dump=$(pg_dump --enable-row-security --data-only --table=leads --column-inserts 2>&1)
	grep '^pg_dump: ' <<<"$dump"
	if [ "$server" -le "$client" ]; then
		check pg_dump "$(grep -c 'INSERT INTO' <<<"$dump")" "$(set -- $own; echo $#)"
	else
		check "pg_dump of an older major" "$(grep -c 'server version mismatch' <<<"$dump")" 1
	fi
done
