-- One row is a configuration parameter that somebody was granted (15 and later).
SELECT p.parname AS name, coalesce(p.paracl, pg_catalog.acldefault('p', 10))::pg_catalog.text[] AS acl -- 15+
  FROM pg_catalog.pg_parameter_acl p -- 15+
SELECT ''::pg_catalog.text AS name, '{}'::pg_catalog.text[] AS acl WHERE false -- <15
 ORDER BY 1;
