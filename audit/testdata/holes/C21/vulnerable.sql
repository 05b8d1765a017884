-- object: app_pub
CREATE SCHEMA app_pub AUTHORIZATION {{owner}};
GRANT USAGE, CREATE ON SCHEMA app_pub TO {{app}};
