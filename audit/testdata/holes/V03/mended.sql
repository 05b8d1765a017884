ALTER VIEW app.inner_v SET (security_invoker = true);
