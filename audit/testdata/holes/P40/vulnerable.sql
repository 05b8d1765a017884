-- object: app.doc.reports
-- role: r_g1 NOLOGIN
-- role: r_g2 NOLOGIN
CREATE POLICY reports ON app.doc TO {{r_g1}} USING (true);
GRANT {{r_g1}} TO {{r_g2}};
GRANT {{r_g2}} TO {{app}};
