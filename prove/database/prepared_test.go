package database_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
)

const preparedSchema = `
CREATE ROLE app LOGIN; CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO app;
CREATE TABLE app.leads (tenant_id uuid NOT NULL, id int NOT NULL, PRIMARY KEY (tenant_id, id));
ALTER TABLE app.leads ENABLE ROW LEVEL SECURITY; ALTER TABLE app.leads FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON app.leads USING (tenant_id = (SELECT nullif(current_setting('app.current_tenant', true),
	'')::uuid));
GRANT SELECT, INSERT, UPDATE, DELETE ON app.leads TO app;
INSERT INTO app.leads VALUES ('` + tenantA + `', 1), ('` + tenantB + `', 2);
REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC`

// Where the server allows prepared transactions, one tenant's session ends what
// another's prepared: the probe says so, and it is so.
func TestPreparedTransactions(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: none; it needs a server of its own
	operator, app := serverWith(t, "2")
	if v := preparedVerdict(t, operator, app, database.Options{Strict: true}); v != prove.VerdictLeak {
		t.Errorf("allowed: %q", v)
	}
	if v := preparedVerdict(t, operator, app, database.Options{}); v != "" {
		t.Errorf("tried without strict: %q", v)
	}
	runAs(t, app, `BEGIN; SELECT set_config('app.current_tenant',
		'`+tenantB+`', true); DELETE FROM app.leads; PREPARE TRANSACTION 'of_b'`)
	runAs(t, app, `SELECT set_config('app.current_tenant', '`+tenantA+`', false)`, `ROLLBACK PREPARED 'of_b'`)

	operator, app = serverWith(t, "0")
	if v := preparedVerdict(t, operator, app, database.Options{Strict: true}); v != prove.VerdictIsolated {
		t.Errorf("not allowed: %q", v)
	}
}

// preparedVerdict is what the probe says, "" when there is none.
func preparedVerdict(t *testing.T, operator, app *pgx.ConnConfig, o database.Options) prove.Verdict {
	t.Helper()
	r, err := database.Attack(context.Background(), operator, app, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Probes {
		if p.ID == "prepared transaction:connection" {
			return p.Verdict
		}
	}
	return ""
}

// serverWith starts a server of its own: the parameter is fixed at the start.
func serverWith(t *testing.T, prepared string) (operator, app *pgx.ConnConfig) {
	t.Helper()
	server, err := postgres.Start(context.Background(), postgres.Options{
		Settings: map[string]string{"max_prepared_transactions": prepared}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	operator, app = config(t, server.URL("postgres", postgres.Superuser)), config(t, server.URL("postgres", "app"))
	runAs(t, operator, preparedSchema)
	return operator, app
}

func config(t testing.TB, url string) *pgx.ConnConfig {
	t.Helper()
	c, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// runAs runs each text as one message of a connection of its own.
func runAs(t *testing.T, c *pgx.ConnConfig, texts ...string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, text := range texts {
		if _, err := conn.PgConn().Exec(ctx, text).ReadAll(); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
}
