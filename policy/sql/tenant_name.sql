
BEGIN
  IF NEW.:column IS NULL THEN
    RETURN NULL;
  END IF;
  INSERT INTO :taken AS n (source, name, tenant)
    VALUES (:source, sha256(convert_to(NEW.:column::text, 'UTF8')), NEW.:key::text)
    ON CONFLICT (source, name) DO UPDATE SET tenant = n.tenant WHERE n.tenant = EXCLUDED.tenant;
  IF NOT FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'unique_violation',
      MESSAGE = 'this ' || :source || ' was another tenant''s before, and tokens may still name that tenant by it';
  END IF;
  RETURN NULL;
END
