-- object: app.doc.reports
-- role: r_reporting NOLOGIN
CREATE POLICY reports ON app.doc TO {{r_reporting}} USING (true);
GRANT {{r_reporting}} TO {{app}};
