ALTER FUNCTION app_w.normalize(text) OWNER TO {{owner}};
ALTER SCHEMA app_w OWNER TO {{owner}};
GRANT USAGE ON SCHEMA app_w TO {{app}};
