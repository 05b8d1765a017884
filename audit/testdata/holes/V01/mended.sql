DO $$ BEGIN IF current_setting('server_version_num')::int >= 150000 THEN EXECUTE 'ALTER VIEW app.v SET (security_invoker = true)'; ELSE EXECUTE 'ALTER VIEW app.v OWNER TO {{owner}}'; END IF; END $$;
