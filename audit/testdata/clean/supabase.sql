-- A Supabase project: the auth schema, roles that the API switches to, claims as JSON.
GRANT {{anon}}, {{authenticated}}, {{service}} TO {{authenticator}};
CREATE SCHEMA auth;
GRANT USAGE ON SCHEMA auth, public TO {{anon}}, {{authenticated}}, {{service}};
CREATE TABLE auth.users (id uuid PRIMARY KEY, email text);
CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')
  )::uuid
$$;
CREATE FUNCTION auth.jwt() RETURNS jsonb LANGUAGE sql STABLE AS $$
  select coalesce(
    nullif(current_setting('request.jwt.claim', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')
  )::jsonb
$$;
CREATE TABLE public.teams (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text);
CREATE TABLE public.team_members (
    team_id uuid NOT NULL REFERENCES public.teams ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES auth.users ON DELETE CASCADE,
    PRIMARY KEY (team_id, user_id)
);
CREATE TABLE public.todos (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    team_id uuid NOT NULL REFERENCES public.teams ON DELETE CASCADE,
    title text
);
CREATE TABLE public.files (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    team_id uuid NOT NULL REFERENCES public.teams ON DELETE CASCADE,
    path text
);
CREATE TABLE public.settings (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    team_id uuid NOT NULL REFERENCES public.teams ON DELETE CASCADE,
    value jsonb
);
CREATE INDEX ON public.todos (team_id);
CREATE INDEX ON public.files (team_id);
CREATE INDEX ON public.settings (team_id);
CREATE INDEX ON public.team_members (user_id);
ALTER TABLE public.teams ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.team_members ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.todos ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.files ENABLE ROW LEVEL SECURITY;
ALTER TABLE public.settings ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION public.my_teams() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = '' AS $$
  select team_id from public.team_members where user_id = (select auth.uid())
$$;
CREATE POLICY "members see their teams" ON public.teams FOR SELECT TO {{authenticated}} USING (id IN (SELECT public.my_teams()));
CREATE POLICY "own memberships" ON public.team_members FOR SELECT TO {{authenticated}} USING (user_id = (SELECT auth.uid()));
CREATE POLICY "todos of my teams" ON public.todos FOR ALL TO {{authenticated}}
    USING (team_id IN (SELECT m.team_id FROM public.team_members m WHERE m.user_id = (SELECT auth.uid())))
    WITH CHECK (team_id IN (SELECT m.team_id FROM public.team_members m WHERE m.user_id = (SELECT auth.uid())));
CREATE POLICY "files of the claim" ON public.files FOR ALL TO {{authenticated}}
    USING (team_id = ((auth.jwt() -> 'app_metadata') ->> 'team_id')::uuid);
CREATE POLICY "settings of the claim" ON public.settings FOR ALL TO {{authenticated}}
    USING (team_id = (SELECT (nullif(current_setting('request.jwt.claims', true), '')::json ->> 'team_id')::uuid));
GRANT SELECT ON public.teams, public.team_members TO {{authenticated}};
GRANT SELECT, INSERT, UPDATE, DELETE ON public.todos, public.files, public.settings TO {{authenticated}};
GRANT ALL ON ALL TABLES IN SCHEMA public TO {{service}};
