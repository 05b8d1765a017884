SELECT t1."id" AS "id", t1."score" AS "moat_key", t1."id" AS "moat_key" FROM "app"."leads" AS t1 WHERE t1."tenant_id" = $1::uuid AND ((t1."score" < $2::integer) OR (t1."score" = $3::integer AND t1."id" < $4::bigint)) ORDER BY t1."score" DESC, t1."id" DESC LIMIT 1000
-- args: ["aaaaaaaa-0000-4000-8000-000000000001" "1" "1" "2"]
