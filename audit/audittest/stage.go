package audittest

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// Stages are databases in which fixtures follow one another, each in a transaction that
// is rolled back: for tests that ask the catalog only, a tenth of what a database for
// each fixture costs. Roles are made in the transaction too, and nobody else sees them.
type Stages chan stage

type stage struct {
	db   *pgtest.Database
	conn *pgx.Conn
}

// Setups returns how a test that asks the catalog only sets fixtures up: one after the
// other in a few databases.
func Setups(t testing.TB, c *pgtest.Cluster) func(t testing.TB, h Hole) *Fixture {
	t.Helper()
	return NewStages(t, c, 2).Setup
}

// NewStages makes so many databases. They are dropped when the test ends.
func NewStages(t testing.TB, c *pgtest.Cluster, n int) Stages {
	t.Helper()
	all := make(Stages, n)
	for range n {
		db := c.New(t)
		all <- stage{db, db.Conn(t, db.URL)}
	}
	return all
}

// Setup waits for a stage and sets the fixture up on it, until the test ends.
func (s Stages) Setup(t testing.TB, h Hole) *Fixture {
	t.Helper()
	on := <-s
	t.Cleanup(func() {
		if _, err := on.conn.Exec(context.Background(), "ROLLBACK"); err != nil {
			t.Error(err)
		}
		s <- on
	})
	f := &Fixture{Hole: h, Database: on.db, tx: on.conn}
	f.Exec(t, "BEGIN")
	made := 0
	f.fill(t, func(prefix, attributes string) string {
		made++
		name := fmt.Sprintf("%s_%s_%d", on.db.Name, prefix, made)
		f.Exec(t, fmt.Sprintf("CREATE ROLE %s %s", pgx.Identifier{name}.Sanitize(), attributes))
		return name
	})
	return f
}
