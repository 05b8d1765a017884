
BEGIN
  -- A row written for the tenant meanwhile waits, or is waited for. Without this the move changes the tenant's
  -- row twice, first its parent and then root_id, and a writer who came before the second could keep the old
  -- root_id: the key did not see it.
  IF NEW.:parent IS DISTINCT FROM OLD.:parent THEN
    PERFORM FROM :tenants WHERE :key = OLD.:key FOR UPDATE;
  END IF;
  RETURN NEW;
END
