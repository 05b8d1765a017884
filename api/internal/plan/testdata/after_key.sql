SELECT t1."id" AS "id", t1."id" AS "moat_key" FROM "app"."leads" AS t1 WHERE t1."tenant_id" = $1::uuid AND (t1."id") > ($2::bigint) ORDER BY t1."id" LIMIT 1000
-- args: ["aaaaaaaa-0000-4000-8000-000000000001" "1"]
