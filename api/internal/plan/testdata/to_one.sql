SELECT t1."id" AS "id", (SELECT row_to_json(t2) FROM (SELECT t3."name" AS "name" FROM "app"."campaigns" AS t3 WHERE t3."tenant_id" = t1."tenant_id" AND t3."id" = t1."campaign_id" AND t3."tenant_id" = $1::uuid LIMIT 1) AS t2) AS "campaigns" FROM "app"."leads" AS t1 WHERE t1."tenant_id" = $1::uuid LIMIT 1000
-- args: ["aaaaaaaa-0000-4000-8000-000000000001"]
