ALTER VIEW app.v SET (security_barrier = true);
