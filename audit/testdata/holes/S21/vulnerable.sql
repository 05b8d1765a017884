-- object: app.batch()
CREATE PROCEDURE app.batch() LANGUAGE plpgsql AS $$ DECLARE n bigint; BEGIN PERFORM set_config('app.current_tenant', '11111111-1111-1111-1111-111111111111', true); SELECT count(*) INTO n FROM app.doc; COMMIT; SELECT count(*) INTO n FROM app.doc; END $$;
