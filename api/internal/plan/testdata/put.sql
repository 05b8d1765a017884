INSERT INTO "app"."labels" AS t1 ("id", "name", "tenant_id") SELECT t2."id", t2."name", $2::uuid FROM json_to_recordset($1::json) AS t2("id" bigint, "name" text) WHERE t2."id" = $3 ON CONFLICT ("tenant_id", "id") DO UPDATE SET "name" = EXCLUDED."name" RETURNING (t1.xmax = 0) AS "moat_inserted"
-- args: ["[{\"name\":\"x\"}]" "aaaaaaaa-0000-4000-8000-000000000001" "1"]
