DROP FUNCTION app.raw(int);
