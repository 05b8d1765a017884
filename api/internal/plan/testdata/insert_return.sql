INSERT INTO "app"."leads" AS t1 ("name", "tenant_id") SELECT t2."name", $2::uuid FROM json_to_recordset($1::json) AS t2("name" text) RETURNING t1."id" AS "id", t1."name" AS "name"
-- args: ["[{\"name\":\"x\"}]" "aaaaaaaa-0000-4000-8000-000000000001"]
