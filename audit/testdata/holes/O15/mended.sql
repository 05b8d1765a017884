DROP INDEX app.big_tenant;
