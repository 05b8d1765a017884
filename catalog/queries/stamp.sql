-- One row: a value that changes whenever something does that a Snapshot is made of. A row
-- that is changed or replaced has a younger xmin than any before, so that number and sum of
-- a catalog's rows are never the same again. Temporary objects are left out: ordinary
-- traffic makes them.
WITH spaces AS MATERIALIZED (
       SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname ~ '^pg_(toast_)?temp_'),
     passing AS MATERIALIZED (
       SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relnamespace IN (SELECT oid FROM spaces)),
     parts AS (
       SELECT 1 AS part, pg_catalog.count(*) AS n, pg_catalog.sum(c.xmin::text::int8) AS x FROM pg_catalog.pg_class c
        WHERE c.oid >= 16384 AND c.relnamespace NOT IN (SELECT oid FROM spaces)
       UNION ALL SELECT 2, pg_catalog.count(*), pg_catalog.sum(a.xmin::text::int8) FROM pg_catalog.pg_attribute a
        WHERE a.attnum > 0 AND a.attrelid >= 16384 AND a.attrelid NOT IN (SELECT oid FROM passing)
       UNION ALL SELECT 3, pg_catalog.count(*), pg_catalog.sum(d.xmin::text::int8) FROM pg_catalog.pg_attrdef d
        WHERE d.adrelid NOT IN (SELECT oid FROM passing)
       UNION ALL SELECT 4, pg_catalog.count(*), pg_catalog.sum(c.xmin::text::int8) FROM pg_catalog.pg_constraint c
        WHERE c.connamespace NOT IN (SELECT oid FROM spaces)
       UNION ALL SELECT 5, pg_catalog.count(*), pg_catalog.sum(i.xmin::text::int8) FROM pg_catalog.pg_index i
        WHERE i.indexrelid >= 16384 AND i.indrelid NOT IN (SELECT oid FROM passing)
       UNION ALL SELECT 6, pg_catalog.count(*), pg_catalog.sum(i.xmin::text::int8) FROM pg_catalog.pg_inherits i
        WHERE i.inhrelid NOT IN (SELECT oid FROM passing)
       UNION ALL SELECT 7, pg_catalog.count(*), pg_catalog.sum(p.xmin::text::int8) FROM pg_catalog.pg_policy p
       UNION ALL SELECT 8, pg_catalog.count(*), pg_catalog.sum(t.xmin::text::int8) FROM pg_catalog.pg_trigger t
        WHERE t.tgrelid NOT IN (SELECT oid FROM passing)
       UNION ALL SELECT 9, pg_catalog.count(*), pg_catalog.sum(r.xmin::text::int8) FROM pg_catalog.pg_rewrite r
        WHERE r.oid >= 16384 AND r.ev_class NOT IN (SELECT oid FROM passing)
       UNION ALL SELECT 10, pg_catalog.count(*), pg_catalog.sum(p.xmin::text::int8) FROM pg_catalog.pg_proc p
        WHERE p.pronamespace NOT IN (SELECT oid FROM spaces)
       UNION ALL SELECT 11, pg_catalog.count(*), pg_catalog.sum(t.xmin::text::int8) FROM pg_catalog.pg_type t
        WHERE t.oid >= 16384 AND t.typnamespace NOT IN (SELECT oid FROM spaces)
       UNION ALL SELECT 12, pg_catalog.count(*), pg_catalog.sum(e.xmin::text::int8) FROM pg_catalog.pg_enum e
       UNION ALL SELECT 13, pg_catalog.count(*), pg_catalog.sum(o.xmin::text::int8) FROM pg_catalog.pg_operator o
        WHERE o.oid >= 16384
       UNION ALL SELECT 14, pg_catalog.count(*), pg_catalog.sum(c.xmin::text::int8) FROM pg_catalog.pg_cast c
       UNION ALL SELECT 15, pg_catalog.count(*), pg_catalog.sum(c.xmin::text::int8) FROM pg_catalog.pg_collation c
        WHERE c.oid >= 16384
       UNION ALL SELECT 16, pg_catalog.count(*), pg_catalog.sum(n.xmin::text::int8) FROM pg_catalog.pg_namespace n
        WHERE n.oid NOT IN (SELECT oid FROM spaces)
       UNION ALL SELECT 17, pg_catalog.count(*), pg_catalog.sum(m.xmin::text::int8) FROM pg_catalog.pg_auth_members m
       UNION ALL SELECT 18, pg_catalog.count(*), pg_catalog.sum(d.xmin::text::int8) FROM pg_catalog.pg_default_acl d
       UNION ALL SELECT 19, pg_catalog.count(*), pg_catalog.sum(e.xmin::text::int8) FROM pg_catalog.pg_extension e
       UNION ALL SELECT 20, pg_catalog.count(*), pg_catalog.sum(e.xmin::text::int8) FROM pg_catalog.pg_event_trigger e
       UNION ALL SELECT 21, pg_catalog.count(*), pg_catalog.sum(p.xmin::text::int8) FROM pg_catalog.pg_publication p
       UNION ALL SELECT 22, pg_catalog.count(*), pg_catalog.sum(p.xmin::text::int8) FROM pg_catalog.pg_publication_rel p
       UNION ALL SELECT 23, pg_catalog.count(*), pg_catalog.sum(p.xmin::text::int8) -- 15+
         FROM pg_catalog.pg_publication_namespace p -- 15+
       UNION ALL SELECT 24, pg_catalog.count(*), pg_catalog.sum(p.xmin::text::int8) FROM pg_catalog.pg_parameter_acl p -- 15+
       UNION ALL SELECT 25, pg_catalog.count(*), pg_catalog.sum(s.xmin::text::int8) FROM pg_catalog.pg_db_role_setting s
       UNION ALL SELECT 26, pg_catalog.count(*), pg_catalog.sum(s.xmin::text::int8) FROM pg_catalog.pg_foreign_server s
       UNION ALL SELECT 27, pg_catalog.count(*), pg_catalog.sum(d.xmin::text::int8) FROM pg_catalog.pg_database d
        WHERE d.datname = pg_catalog.current_database()
       UNION ALL SELECT 28, pg_catalog.count(*), pg_catalog.sum(d.xmin::text::int8) FROM pg_catalog.pg_description d
        WHERE d.objoid >= 16384),
     texts AS ( -- of what shows no xmin
       SELECT 1 AS part, pg_catalog.string_agg(r::text, ';' ORDER BY r.rolname) AS text FROM (
         SELECT r.rolname, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolcanlogin,
                r.rolinherit FROM pg_catalog.pg_roles r) r
       UNION ALL SELECT 2, pg_catalog.string_agg(m.srvname || ':' || m.usename, ';' ORDER BY m.umid)
         FROM pg_catalog.pg_user_mappings m
       UNION ALL SELECT 3, pg_catalog.string_agg(s.name || '=' || coalesce(s.reset_val, s.setting), ';' ORDER BY s.name)
         FROM pg_catalog.pg_settings s WHERE s.context IN ('postmaster', 'sighup', 'superuser', 'user')
          AND s.name NOT LIKE 'in\_%' AND s.name NOT LIKE 'recovery%')
SELECT pg_catalog.md5(coalesce((SELECT pg_catalog.string_agg(n || ':' || coalesce(x, 0), ',' ORDER BY part) FROM parts), '')
       || pg_catalog.md5(coalesce((SELECT pg_catalog.string_agg(coalesce(text, ''), '/' ORDER BY part) FROM texts), '')))
 ORDER BY 1;
