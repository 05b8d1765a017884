-- object: app.doc
-- role: r_other NOLOGIN
ALTER POLICY iso ON app.doc TO {{r_other}};
