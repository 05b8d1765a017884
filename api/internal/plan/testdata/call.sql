SELECT t1."id" AS "id" FROM json_to_record($1::json) AS args("q" text), LATERAL "app"."find"("q" => args."q") AS t1 WHERE t1."tenant_id" = $2::uuid LIMIT 1
-- args: ["{\"q\":\"x\"}" "aaaaaaaa-0000-4000-8000-000000000001"]
