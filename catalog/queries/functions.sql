-- One row is a function or procedure of a user's schema, or one of those of
-- pg_catalog that a rule asks about. The constructors of a range type are left out: the
-- server made them with the type, and they compute from their arguments alone.
SELECT p.oid, n.nspname::pg_catalog.text AS schema, p.proname::pg_catalog.text AS name,
       pg_catalog.pg_get_function_identity_arguments(p.oid) AS arguments,
       ARRAY(SELECT nullif(pg_catalog.format_type(u.type, NULL), '???') -- NULL: gone
               FROM pg_catalog.unnest(coalesce(p.proallargtypes, p.proargtypes::pg_catalog.oid[]))
                    WITH ORDINALITY AS u(type, place) ORDER BY u.place) AS param_types,
       coalesce(p.proargnames, '{}') AS param_names,
       coalesce(p.proargmodes::pg_catalog.text[], '{}') AS param_modes,
       p.pronargdefaults AS default_number,
       CASE p.prokind WHEN 'p' THEN '' ELSE pg_catalog.pg_get_function_result(p.oid) END AS result, p.proretset AS returns_set,
       p.proretset AND p.prorows = 1 AS one_row,
       CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' WHEN 'w' THEN 'window' ELSE 'function' END AS kind,
       pg_catalog.pg_get_userbyid(p.proowner)::pg_catalog.text AS owner, l.lanname::pg_catalog.text AS language,
       p.prosecdef AS definer,
       CASE p.provolatile WHEN 'i' THEN 'immutable' WHEN 's' THEN 'stable' ELSE 'volatile' END AS volatile,
       p.proleakproof AS leakproof,
       CASE p.proparallel WHEN 's' THEN 'safe' WHEN 'r' THEN 'restricted' ELSE 'unsafe' END AS parallel,
       p.proisstrict AS strict, coalesce(p.proconfig, '{}') AS settings,
       CASE WHEN p.prosqlbody IS NULL THEN coalesce(p.prosrc, '') ELSE pg_catalog.pg_get_function_sqlbody(p.oid) END AS body, -- 14+
       p.prosqlbody IS NOT NULL AS body_parsed, -- 14+
       coalesce(p.prosrc, '') AS body, false AS body_parsed, -- <14
       CASE p.prokind WHEN 'a' THEN ARRAY(SELECT pg_catalog.unnest(ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn, a.aggserialfn, a.aggdeserialfn,
               a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]::pg_catalog.oid[])
               FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid = p.oid) ELSE '{}' END AS parts,
       coalesce(e.extname::pg_catalog.text, '') AS extension,
       n.nspname = 'pg_catalog' AS system,
       CASE n.nspname WHEN 'pg_catalog' THEN '' ELSE coalesce((SELECT d.description FROM pg_catalog.pg_description d
           WHERE d.objoid = p.oid AND d.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objsubid = 0), '')
       END AS comment,
       coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))::pg_catalog.text[] AS acl
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
  JOIN pg_catalog.pg_language l ON l.oid = p.prolang
  LEFT JOIN pg_catalog.pg_depend x ON x.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
        AND x.objid = p.oid AND x.objsubid = 0 AND x.deptype = 'e'
  LEFT JOIN pg_catalog.pg_extension e ON e.oid = x.refobjid
 WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_(temp|toast)'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend i WHERE i.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
        AND i.objid = p.oid AND i.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND i.deptype = 'i')
   AND (n.nspname <> 'pg_catalog' OR p.oid >= 16384 OR p.proname = ANY ($1)
        OR p.proleakproof <> (p.oid IN (SELECT pg_catalog.unnest($2::pg_catalog.oid[]))))
 ORDER BY n.nspname, p.proname, 4;
