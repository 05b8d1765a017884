-- object: {{app}}
GRANT pg_read_all_stats TO {{app}};
