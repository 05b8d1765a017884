-- object: {{app}}
ALTER ROLE {{app}} BYPASSRLS;
