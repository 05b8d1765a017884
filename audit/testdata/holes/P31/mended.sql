ALTER TABLE app.membership ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.membership FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON app.membership FOR SELECT USING (user_id = nullif(current_setting('app.user_id', true), '')::int);
