-- Who is invited, and the only ways in which a membership comes into being, changes or ends
-- from the portal. Only the role that keeps sessions may call them; the application role, as
-- which every client's statements run, has no right to any of it. Each looks for itself
-- whether who asks is an admin of that very tenant, in the table of memberships.
CREATE SCHEMA IF NOT EXISTS moat;
DO $$ BEGIN
  CREATE ROLE {{definer}} NOLOGIN BYPASSRLS;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

CREATE TABLE IF NOT EXISTS moat.invitation (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant     text NOT NULL CHECK (tenant <> ''),
    email      text NOT NULL CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 320),
    role       text NOT NULL,
    code       bytea NOT NULL UNIQUE CHECK (length(code) = 32),
    by_issuer  text NOT NULL,
    by_subject text NOT NULL,
    created    timestamptz NOT NULL DEFAULT now(),
    expires    timestamptz NOT NULL,
    UNIQUE (tenant, email)
);
-- Of an operator's, a tenant has one at a time: a link to a mistyped address ends with the next.
CREATE UNIQUE INDEX IF NOT EXISTS invitation_first ON moat.invitation (tenant) WHERE by_subject = '';
COMMENT ON TABLE moat.invitation IS 'Who is invited to which tenant: the e-mail address that a sign-in must have verified, and the hash of the link';
REVOKE ALL ON moat.invitation FROM {{public}};
GRANT USAGE ON SCHEMA moat, {{schemas}} TO {{definer}};
GRANT SELECT, INSERT, UPDATE, DELETE ON moat.invitation, {{link}} TO {{definer}};
{{grant_person}}
GRANT USAGE ON SCHEMA moat TO {{keeper}};
GRANT SELECT ON moat.invitation TO {{keeper}};

-- The place of a member among the admins of a tenant, the first being the highest; NULL for
-- everybody else.
CREATE OR REPLACE FUNCTION moat.people_rank(tenant text, issuer text, subject text) RETURNS integer
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT min(array_position({{admins}}, m.{{role}}::text)) FROM {{link}} m
  WHERE m.{{tenant}}::text = $1 AND m.{{person}}::text = $3 AND $3 <> '' AND {{of_issuer}} AND {{accepted}}
$$;

CREATE OR REPLACE FUNCTION moat.people_invite(tenant text, by_issuer text, by_subject text, email text, role text,
    code bytea, expires timestamptz) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE mine integer := moat.people_rank($1, $2, $3);
BEGIN
  IF mine IS NULL THEN RAISE EXCEPTION 'only an admin invites' USING ERRCODE = 'MP001'; END IF;
  IF coalesce(array_position({{admins}}, $5), 1000) < mine THEN
    RAISE EXCEPTION 'a role above that of who invites' USING ERRCODE = 'MP003';
  END IF;
  PERFORM $5::{{role_type}};
  IF (SELECT count(*) FROM moat.invitation i WHERE i.tenant = $1) >= 200 THEN
    RAISE EXCEPTION 'too many invitations' USING ERRCODE = 'MP005';
  END IF;
  INSERT INTO moat.invitation AS i (tenant, email, role, code, by_issuer, by_subject, expires)
    VALUES ($1, lower($4), $5, $6, $2, $3, $7)
    ON CONFLICT ON CONSTRAINT invitation_tenant_email_key DO UPDATE SET role = excluded.role, code = excluded.code,
      by_issuer = excluded.by_issuer, by_subject = excluded.by_subject, created = now(), expires = excluded.expires;
END $$;

-- Whether somebody in a tenant can invite.
CREATE OR REPLACE FUNCTION moat.people_led(tenant text) RETURNS boolean
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
  SELECT EXISTS (SELECT FROM {{link}} m WHERE m.{{tenant}}::text = $1 AND {{accepted}}
    AND m.{{role}}::text = ANY ({{admins}}))
$$;

-- An operator invites the first admin of a tenant, and nobody else: from then on its admins do. The
-- invitation names nobody, and no other can do without.
CREATE OR REPLACE FUNCTION moat.people_invite_first(tenant text, email text, role text, code bytea, expires timestamptz)
  RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF moat.people_led($1) THEN RAISE EXCEPTION 'its admins invite' USING ERRCODE = 'MP010'; END IF;
  IF $3 <> ALL ({{admins}}) THEN RAISE EXCEPTION 'not the role of an admin' USING ERRCODE = 'MP003'; END IF;
  DELETE FROM moat.invitation i WHERE i.tenant = $1 AND i.by_subject = '';
  INSERT INTO moat.invitation AS i (tenant, email, role, code, by_issuer, by_subject, expires)
    VALUES ($1, lower($2), $3, $4, '', '', $5)
    ON CONFLICT ON CONSTRAINT invitation_tenant_email_key DO UPDATE SET role = excluded.role, code = excluded.code,
      by_issuer = '', by_subject = '', created = now(), expires = excluded.expires;
END $$;

CREATE OR REPLACE FUNCTION moat.people_withdraw(tenant text, by_issuer text, by_subject text, invitation uuid)
  RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  IF moat.people_rank($1, $2, $3) IS NULL THEN
    RAISE EXCEPTION 'only an admin withdraws' USING ERRCODE = 'MP001';
  END IF;
  DELETE FROM moat.invitation i WHERE i.tenant = $1 AND i.id = $4;
END $$;

-- A NULL role removes the member.
CREATE OR REPLACE FUNCTION moat.people_change(tenant text, by_issuer text, by_subject text, issuer text, person text,
    role text) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE mine integer; theirs integer; highest integer; is_there boolean;
BEGIN
  -- One after the other: two admins cannot remove each other at once.
  PERFORM 1 FROM {{link}} m WHERE m.{{tenant}}::text = $1 FOR UPDATE;
  mine := moat.people_rank($1, $2, $3);
  IF mine IS NULL THEN RAISE EXCEPTION 'only an admin changes members' USING ERRCODE = 'MP001'; END IF;
  SELECT true, coalesce(array_position({{admins}}, m.{{role}}::text), 1000) INTO is_there, theirs FROM {{link}} m
    WHERE m.{{tenant}}::text = $1 AND m.{{person}}::text = $5 AND {{of_issuer_4}};
  IF is_there IS NULL THEN RAISE EXCEPTION 'no such member' USING ERRCODE = 'MP002'; END IF;
  IF theirs < mine OR coalesce(array_position({{admins}}, $6), 1000) < mine THEN
    RAISE EXCEPTION 'a role above that of who changes it' USING ERRCODE = 'MP003';
  END IF;
  SELECT min(array_position({{admins}}, m.{{role}}::text)) INTO highest FROM {{link}} m
    WHERE m.{{tenant}}::text = $1 AND {{accepted}};
  IF $6 IS NULL THEN
    DELETE FROM {{link}} m WHERE m.{{tenant}}::text = $1 AND m.{{person}}::text = $5 AND {{of_issuer_4}};
  ELSE
    UPDATE {{link}} m SET {{role}} = $6::{{role_type}}
      WHERE m.{{tenant}}::text = $1 AND m.{{person}}::text = $5 AND {{of_issuer_4}};
  END IF;
  PERFORM 1 FROM {{link}} m WHERE m.{{tenant}}::text = $1 AND {{accepted}}
    AND array_position({{admins}}, m.{{role}}::text) <= highest;
  IF NOT FOUND THEN RAISE EXCEPTION 'the last admin stays' USING ERRCODE = 'MP004'; END IF;
END $$;

-- The caller has verified that the sign-in says so: issuer, subject, and a verified address.
CREATE OR REPLACE FUNCTION moat.people_accept(code bytea, issuer text, subject text, email text, name text)
  RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE i moat.invitation; inviter integer;
BEGIN
  SELECT * INTO i FROM moat.invitation x WHERE x.code = $1 AND x.expires > now() FOR UPDATE;
  IF i.id IS NULL THEN RAISE EXCEPTION 'no such invitation' USING ERRCODE = 'MP006'; END IF;
  IF i.email <> lower($4) OR $3 = '' THEN RAISE EXCEPTION 'another address' USING ERRCODE = 'MP007'; END IF;
  PERFORM 1 FROM {{link}} m WHERE m.{{tenant}}::text = i.tenant FOR UPDATE;
  -- Who invited must still be one who may: an operator, as long as there is no admin.
  IF i.by_subject <> '' THEN
    inviter := moat.people_rank(i.tenant, i.by_issuer, i.by_subject);
  ELSIF NOT moat.people_led(i.tenant) THEN
    inviter := 1;
  END IF;
  IF inviter IS NULL OR coalesce(array_position({{admins}}, i.role), 1000) < inviter THEN
    RAISE EXCEPTION 'no such invitation' USING ERRCODE = 'MP006';
  END IF;
  PERFORM 1 FROM {{link}} m WHERE m.{{tenant}}::text = i.tenant AND m.{{person}}::text = $3 AND {{of_issuer}}
    AND {{accepted}};
  IF FOUND THEN RAISE EXCEPTION 'a member already' USING ERRCODE = 'MP009'; END IF;
{{make_person}}
  DELETE FROM {{link}} m WHERE m.{{tenant}}::text = i.tenant AND m.{{person}}::text = $3 AND {{of_issuer}};
  INSERT INTO {{link}} ({{insert_columns}}) VALUES ({{insert_values}});
  DELETE FROM moat.invitation x WHERE x.id = i.id;
  RETURN i.tenant;
END $$;

DO $$
DECLARE f text;
BEGIN
  FOREACH f IN ARRAY ARRAY['people_rank(text, text, text)', 'people_invite(text, text, text, text, text, bytea, timestamptz)',
      'people_led(text)', 'people_invite_first(text, text, text, bytea, timestamptz)',
      'people_withdraw(text, text, text, uuid)', 'people_change(text, text, text, text, text, text)',
      'people_accept(bytea, text, text, text, text)'] LOOP
    EXECUTE 'ALTER FUNCTION moat.' || f || ' OWNER TO {{definer}}';
    EXECUTE 'REVOKE ALL ON FUNCTION moat.' || f || ' FROM {{public}}';
    EXECUTE 'GRANT EXECUTE ON FUNCTION moat.' || f || ' TO {{keeper}}';
  END LOOP;
END $$;
COMMENT ON FUNCTION moat.people_accept(bytea, text, text, text, text) IS 'moat portal.people {{version}}';
