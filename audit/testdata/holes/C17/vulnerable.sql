-- object: {{app}}
ALTER ROLE {{app}} REPLICATION;
