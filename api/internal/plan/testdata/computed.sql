SELECT "app"."shout"(t1) AS "shout" FROM "app"."leads" AS t1 WHERE t1."tenant_id" = $2::uuid AND "app"."shout"(t1) = $1 LIMIT 1000
-- args: ["X" "aaaaaaaa-0000-4000-8000-000000000001"]
