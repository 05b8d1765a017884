-- object: app
ALTER SCHEMA app OWNER TO {{app}};
