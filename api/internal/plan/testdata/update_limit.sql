UPDATE "app"."leads" AS t1 SET "name" = t2."name" FROM json_to_record($1::json) AS t2("name" text) WHERE t1."tenant_id" = $3::uuid AND (t1."tenant_id", t1."id") IN (SELECT t1."tenant_id", t1."id" FROM "app"."leads" AS t1 WHERE t1."tenant_id" = $3::uuid AND t1."score" > $2 ORDER BY t1."id" LIMIT 2)
-- args: ["{\"name\":\"x\"}" "1" "aaaaaaaa-0000-4000-8000-000000000001"]
