ALTER DOMAIN app.text_of OWNER TO {{owner}};
