-- Three rows in each table, one a tenant: each refers to rows of its own tenant only, as the
-- foreign keys lead. For trying moat on schemas whose products are not at hand; a table whose
-- checks refuse such rows stays empty, and is named.
SET session_replication_role = origin;
CREATE TEMP TABLE seeded (tbl oid, tenant int, data jsonb, PRIMARY KEY (tbl, tenant));

CREATE FUNCTION pg_temp.value(typ oid, typmod int, col text, i int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE t pg_type; BEGIN
  SELECT * INTO t FROM pg_type WHERE oid = typ;
  IF t.typtype = 'd' THEN RETURN pg_temp.value(t.typbasetype, t.typtypmod, col, i); END IF;
  IF t.typtype = 'e' THEN
    RETURN (SELECT enumlabel FROM pg_enum WHERE enumtypid = typ ORDER BY enumsortorder LIMIT 1); END IF;
  IF t.typcategory = 'A' THEN RETURN '{}'; END IF;
  RETURN CASE
    WHEN t.typname = 'uuid' THEN md5(i::text)::uuid::text -- a column without a key may be the tenant's
    WHEN t.typname IN ('json', 'jsonb') THEN '{}'
    WHEN t.typname = 'bool' THEN 'false'
    WHEN t.typname = 'bytea' THEN '\x0' || i
    WHEN t.typname = 'bit' THEN '0'
    WHEN t.typcategory = 'N' THEN i::text
    WHEN t.typcategory = 'D' THEN now()::text
    WHEN t.typcategory = 'T' THEN i || ' days'
    WHEN t.typcategory = 'I' THEN '10.0.0.' || i
    WHEN t.typcategory = 'R' THEN 'empty'
    WHEN t.typname IN ('bpchar', 'varchar') AND typmod > 4 THEN left('t' || i, typmod - 4)
    ELSE 't' || i END;
END $$;

-- columns and values of row i. Nullable keys are not followed (0), where the row is there
-- (1), or waited for (2).
CREATE FUNCTION pg_temp.row_of(rel oid, i int, followed int, OUT cols text, OUT vals text) LANGUAGE plpgsql AS $$
DECLARE a record; v text; BEGIN
  FOR a IN SELECT at.*, k.confrelid, k.ref FROM pg_attribute at
      LEFT JOIN LATERAL (SELECT c.confrelid, ra.attname AS ref FROM pg_constraint c,
          unnest(c.conkey, c.confkey) AS m(own, other), pg_attribute ra
        WHERE c.contype = 'f' AND c.conrelid = rel AND m.own = at.attnum AND ra.attrelid = c.confrelid
          AND ra.attnum = m.other AND c.confrelid <> rel ORDER BY cardinality(c.conkey) DESC LIMIT 1) k ON true
      WHERE at.attrelid = rel AND at.attnum > 0 AND NOT at.attisdropped AND at.attgenerated = '' LOOP
    v := NULL;
    IF a.confrelid IS NOT NULL AND (a.attnotnull OR followed > 0) THEN
      SELECT quote_nullable(data ->> a.ref) INTO v FROM seeded WHERE tbl = a.confrelid AND tenant = i;
      IF v IS NULL AND (a.attnotnull OR followed = 2) THEN RAISE 'waits for %', a.confrelid::regclass; END IF;
    ELSIF a.attnotnull AND (NOT a.atthasdef OR a.atttypid = 'uuid'::regtype) AND a.attidentity = '' THEN
      v := quote_literal(pg_temp.value(a.atttypid, a.atttypmod, a.attname, i));
    END IF;
    IF v IS NOT NULL THEN
      cols := concat_ws(', ', cols, quote_ident(a.attname)); vals := concat_ws(', ', vals, v);
    END IF;
  END LOOP;
END $$;

-- Rows wait for those that they may refer to. Where all wait, one table's rows go on
-- without: the one that most others refer to.
DO $$
DECLARE r record; x record; d jsonb; least int := 2; seeds int; BEGIN
  FOR pass IN 1..400 LOOP
    seeds := 0;
    FOR r IN SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema')
          AND n.nspname !~ '^pg_' AND (SELECT count(*) FROM seeded s WHERE s.tbl = c.oid) < 3
        ORDER BY (SELECT count(*) FROM pg_constraint k WHERE k.contype = 'f' AND k.confrelid = c.oid) DESC, c.oid LOOP
      FOR i IN 1..3 LOOP
        CONTINUE WHEN EXISTS (SELECT FROM seeded WHERE tbl = r.oid AND tenant = i);
        FOR followed IN REVERSE 2..least LOOP
          BEGIN
            x := pg_temp.row_of(r.oid, i, followed);
            EXECUTE format('WITH n AS (INSERT INTO %s %s RETURNING *) SELECT to_jsonb(n) FROM n', r.oid::regclass,
              CASE WHEN x.cols IS NULL THEN 'DEFAULT VALUES' ELSE format('(%s) VALUES (%s)', x.cols, x.vals) END) INTO d;
            INSERT INTO seeded VALUES (r.oid, i, d);
            seeds := seeds + 1;
            EXIT;
          EXCEPTION WHEN others THEN
            IF pass = 400 AND followed = 0 AND i = 1 THEN RAISE NOTICE '% stays empty: %', r.oid::regclass, SQLERRM; END IF;
          END;
        END LOOP;
      END LOOP;
      EXIT WHEN seeds > 0 AND least < 2 AND pass < 400;
    END LOOP;
    least := CASE WHEN seeds > 0 THEN 2 ELSE greatest(least - 1, 0) END;
  END LOOP;
END $$;
ANALYZE;
