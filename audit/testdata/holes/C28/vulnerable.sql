-- object: app.text_of
CREATE DOMAIN app.text_of AS text;
ALTER TABLE app.doc ALTER body TYPE app.text_of;
ALTER DOMAIN app.text_of OWNER TO {{app}};
