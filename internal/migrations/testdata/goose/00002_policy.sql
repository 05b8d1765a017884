-- +goose Up
-- +goose StatementBegin
ALTER TABLE leads ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  NEW.email := lower(NEW.email);
  RETURN NEW;
END;
$body$;
CREATE POLICY leads_all ON leads USING (true);
GRANT SELECT, INSERT ON leads TO web;
-- +goose StatementEnd
-- +goose Down
DROP FUNCTION touch();
