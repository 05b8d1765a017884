package protect

import (
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// TestSequenceThatNoColumnOwns is drawn from by a default and needs a grant.
func TestSequenceThatNoColumnOwns(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestApplyAndUndo, with sequences that columns own
	b := newBench(t, simple+`CREATE SEQUENCE app."Numbers";
	ALTER TABLE app.orders ADD COLUMN number bigint NOT NULL DEFAULT nextval('app."Numbers"');`)
	b.apply(t, GroupGuards)
	app := b.Conn(t, b.As(t, b.cfg.Roles.Application))
	if err := as(t, app, tenantA, "INSERT INTO app.orders DEFAULT VALUES"); err != nil {
		t.Error(err)
	}
}
