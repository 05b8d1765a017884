-- object: {{app}}
ALTER ROLE {{app}} SUPERUSER;
