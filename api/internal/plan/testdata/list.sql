SELECT t1."id" AS "id", t1."name" AS "name" FROM "app"."leads" AS t1 WHERE t1."tenant_id" = $2::uuid AND t1."name" = $1 ORDER BY t1."id" DESC LIMIT 50 OFFSET $3::bigint
-- args: ["x" "aaaaaaaa-0000-4000-8000-000000000001" "100"]
