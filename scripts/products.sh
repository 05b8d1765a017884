#!/usr/bin/env bash
# Try moat on schemas of products: scripts/products.sh URL FOLDER MOAT
# URL is a superuser's of a server that may be filled, FOLDER has a folder for each product:
# its *.sql in the order of their names, and moat.yaml; a file accept has lines of what moat
# accept is to accept once protect has run: KIND OBJECT REASON. Three tenants are seeded
# (seed.sql). Prints a line for each: protect, audit, prove, undo, each with its exit code.
set -u
url=$1; folder=$(cd "$2" && pwd); moat=$3; here=$(cd "$(dirname "$0")" && pwd)
base=${url%/*}
export PGOPTIONS='-c client_min_messages=notice'
printf '%-14s %6s %5s %-16s %-16s %-38s %5s %s\n' product tables yaml protect audit prove sec undo
for dir in "$folder"/*/; do
  name=$(basename "$dir"); db=$base/$name; out=$dir/out; mkdir -p "$out"; cd "$out" || exit 2
  psql -Xq "$url" -c "drop database if exists \"$name\" with (force)" -c "create database \"$name\"" >/dev/null 2>&1
  cat "$dir"/*.sql | psql -Xq "$db" >load 2>&1
  psql -Xq "$db" -f "$here/seed.sql" >seed 2>&1
  config=$out/moat.yaml; cp "$dir/moat.yaml" "$config"; tables=$(psql -XAtq "$db" -c "select count(*) from pg_class c join pg_namespace n on
    n.oid = relnamespace where relkind in ('r', 'p') and not relispartition and nspname !~ '^pg_|^information'")
  pg_dump -s "$db" | grep -v '^\\\(un\)\?restrict' >before.sql
  $moat --no-color --config "$config" protect "$db" >plan 2>plan.err
  begun=$SECONDS
  $moat --no-color --config "$config" protect "$db" --apply --until guards >apply 2>apply.err; applied=$?
  rm -f moat-baseline.yaml
  while read -r kind object reason; do
    $moat --config "$config" accept "$kind" "$object" "$db" --reason "$reason" --baseline moat-baseline.yaml
  done 2>accept.err >accept.out < <(cat "$dir/accept" 2>/dev/null)
  $moat --no-color --config "$config" audit "$db" --format json >audit.json 2>audit.err; audited=$?
  ways=$(jq '[.findings[] | select((.severity == "critical" or .severity == "high") and .object != "server" and .rule != "key-surrogate")] | length' audit.json)
  app=$(sed -n 's/.*application: *\([a-z_]*\).*/\1/p' "$config"); app=${app:-moat_app}
  appurl=$(echo "$db" | sed "s#//[^@/]*@#//$app@#")
  $moat --no-color --config "$config" prove "$db" --app-url "$appurl" --format json >prove.json 2>prove.err; proved=$?
  seconds=$((SECONDS - begun))
  # The upsert oracle is the server's: its release, not the schema, closes it.
  verdict=$(jq -r '[.probes[] | if (.id | startswith("upsert oracle")) and .verdict == "leak" then "server" else .verdict end]
    | "\(map(select(. == "leak")) | length) leaks + \(map(select(. == "server")) | length) server, \(map(select(. == "undecided")) | length) undecided"' \
    prove.json 2>/dev/null)
  $moat --no-color --config "$config" protect "$db" --undo --apply >undo 2>undo.err; undone=$?
  pg_dump -s "$db" | grep -v '^\\\(un\)\?restrict' >after.sql
  same=differs; [ -s before.sql ] && cmp -s before.sql after.sql && same=identical
  printf '%-14s %6s %5s %-16s %-16s %-38s %5s %s\n' "$name" "$tables" "$(grep -c . "$config")" "exit $applied" \
    "exit $audited, $ways high" "exit $proved, $verdict" "$seconds" "exit $undone, $same"
done
