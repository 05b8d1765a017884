DELETE FROM "app"."leads" AS t1 WHERE t1."tenant_id" = $2::uuid AND t1."id" = $1
-- args: ["1" "aaaaaaaa-0000-4000-8000-000000000001"]
