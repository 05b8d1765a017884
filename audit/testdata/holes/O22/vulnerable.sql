-- object: r_pub
ALTER ROLE {{app}} REPLICATION;
CREATE PUBLICATION r_pub FOR TABLE app.doc;
