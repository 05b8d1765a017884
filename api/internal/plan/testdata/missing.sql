INSERT INTO "app"."leads" AS t1 ("name", "score", "tenant_id") SELECT t2."name", t2."score", $3::uuid FROM jsonb_array_elements($2::jsonb) AS t3(j) CROSS JOIN LATERAL jsonb_to_record(jsonb_build_object($1::text, 10) || t3.j) AS t2("name" text, "score" integer)
-- args: ["score" "[{\"name\":\"x\"}]" "aaaaaaaa-0000-4000-8000-000000000001"]
