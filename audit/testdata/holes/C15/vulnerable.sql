-- object: {{app}}
ALTER ROLE {{app}} CREATEROLE;
