DROP POLICY own ON app.member;
CREATE POLICY own ON app.member FOR SELECT
    USING (user_id = (current_setting('request.jwt.claims', true)::jsonb ->> 'sub')::uuid);
