
DECLARE
  waits text;
BEGIN
  -- A tenant that moves meanwhile is waited for, or waits: tenant_root has the other side of this lock. PERFORM
  -- would cost more than the rest of this function.
  waits := pg_advisory_xact_lock_shared(:lock, hashtext(NEW.:column::text) & 1023);
  SELECT t.:level INTO NEW.:level FROM :tenants t WHERE t.:key = NEW.:column;
  RETURN NEW;
END
