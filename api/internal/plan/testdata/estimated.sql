SELECT t1."tenant_id" AS "tenant_id", t1."id" AS "id", t1."campaign_id" AS "campaign_id", t1."name" AS "name", t1."odd ""name" AS "odd ""name", t1."score" AS "score", to_json(t1."tags") AS "tags", t1."details" AS "details", t1."search" AS "search" FROM "app"."leads" AS t1 WHERE t1."tenant_id" = $2::uuid AND t1."score" > $1 LIMIT 1
-- args: ["1" "aaaaaaaa-0000-4000-8000-000000000001"]
-- count:
SELECT pg_catalog.count(*) FROM (SELECT 1 FROM "app"."leads" AS t1 WHERE t1."tenant_id" = $2::uuid AND t1."score" > $1 LIMIT 10001) AS counted
-- args: ["1" "aaaaaaaa-0000-4000-8000-000000000001"]
