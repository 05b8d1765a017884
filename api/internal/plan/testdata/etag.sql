SELECT t1."tenant_id" AS "tenant_id", t1."id" AS "id", t1."name" AS "name", substr(encode(sha256(convert_to(CAST(t1.* AS text), 'UTF8')), 'hex'), 1, 32) AS "moat_etag" FROM "app"."labels" AS t1 WHERE t1."tenant_id" = $2::uuid AND t1."id" = $1 LIMIT 1000
-- args: ["1" "aaaaaaaa-0000-4000-8000-000000000001"]
