-- object: app_w
CREATE SCHEMA app_w AUTHORIZATION {{owner}};
GRANT USAGE, CREATE ON SCHEMA app_w TO {{app}};
