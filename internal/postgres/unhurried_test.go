package postgres_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// What a database limits statements to is lifted, also for a role that may call no function.
func TestUnhurried(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		d := c.New(t)
		role := d.AppRole(t)
		d.Exec(t, "REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC")
		d.Exec(t, "ALTER ROLE "+role+" SET statement_timeout = '100ms'")
		conn := d.Conn(t, d.As(t, role))
		const slow = "select pg_sleep(0.3)"
		var pg *pgconn.PgError
		if _, err := conn.Exec(t.Context(), slow); !errors.As(err, &pg) || pg.Code != "57014" {
			t.Fatalf("under the timeout: %v", err)
		}
		if err := postgres.Unhurried(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), slow); err != nil {
			t.Errorf("without: %v", err)
		}
	})
}
