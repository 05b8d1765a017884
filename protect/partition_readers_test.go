package protect

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// Who may not read what other roles do waits for their snapshots as well: an owner of a managed
// service is no superuser.
func TestOwnerWaitsForReadersOfOtherRoles(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) { t.Parallel(); ownerWaits(t, c) })
}

func ownerWaits(t *testing.T, c *pgtest.Cluster) {
	d := c.New(t)
	owner := "waits" + strings.TrimPrefix(d.Name, "moat_test")
	d.Adopt(owner)
	d.Exec(t, "CREATE ROLE "+owner+" LOGIN")
	conn := d.Conn(t, d.As(t, owner))
	result(t.Context(), conn, "SET statement_timeout = '1s'")
	if got := result(t.Context(), conn, readersGone); got != "0" {
		t.Fatalf("without readers: %q", got)
	}
	reader, err := d.Conn(t, d.URL).BeginTx(t.Context(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Exec(t.Context(), "SELECT FROM pg_class"); err != nil {
		t.Fatal(err)
	}
	if got := result(t.Context(), conn, readersGone); got != "57014" {
		t.Errorf("while another role reads by an older snapshot: %q", got)
	}
	if err := reader.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := result(t.Context(), conn, readersGone); got != "0" {
		t.Errorf("after it: %q", got)
	}
}
