DROP FUNCTION app.q(text);
