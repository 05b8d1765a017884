ALTER FUNCTION app.bodies_of(text, int) SECURITY INVOKER;
