
BEGIN
  IF NEW.:row IS NULL THEN
    NEW.:owner := NULL;
    RETURN NEW;
  END IF;
  SELECT p.:key INTO NEW.:owner FROM :parent p WHERE p.:id = NEW.:row AND :allowed;
  -- A row that goes to another tenant is the policies' to refuse.
  IF NOT FOUND AND (TG_OP = 'INSERT' OR NEW.:tenant = OLD.:tenant) THEN
    RAISE foreign_key_violation USING MESSAGE = 'moat: the row that :name means does not exist';
  END IF;
  RETURN NEW;
END
