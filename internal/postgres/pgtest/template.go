package pgtest

import (
	"context"
	"maps"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// template is a database that others are copies of.
type template struct {
	mu sync.Mutex
	db *Database // nil until built
}

// Template makes a database that is a copy of the template called name, which setup
// fills the first time this process asks for it. The copy takes tens of
// milliseconds whatever setup costs. Roles that setup makes with [Database.Role] are
// shared by all copies and found by their prefix in [Database].Roles.
//
// On an existing cluster nothing may be left behind, so there setup runs for every
// copy.
func (c *Cluster) Template(t testing.TB, name string, setup func(t testing.TB, db *Database)) *Database {
	t.Helper()
	if c.Server == nil {
		db := c.New(t)
		setup(t, db)
		return db
	}
	source := c.template(name).build(t, c, setup)
	db := c.create(t, source.Name)
	t.Cleanup(func() { db.drop(t) })
	source.mu.Lock()
	defer source.mu.Unlock()
	maps.Copy(db.Roles, source.Roles)
	return db
}

func (c *Cluster) template(name string) *template {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.templates[name] == nil {
		c.templates[name] = &template{}
	}
	return c.templates[name]
}

// build runs setup once. When it fails the test, the next test tries again.
func (p *template) build(t testing.TB, c *Cluster, setup func(t testing.TB, db *Database)) *Database {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.db == nil {
		db := c.create(t, "template0")
		setup(t, db)
		if t.Failed() {
			t.FailNow()
		}
		db.HangUp()
		if err := c.close(db.Name); err != nil {
			t.Fatalf("pgtest: close template: %s", describe(err))
		}
		p.db = db
	}
	return p.db
}

// close ends the connections that setup has left and refuses new ones: a database in
// use cannot be copied.
func (c *Cluster) close(database string) error {
	if err := c.admin("ALTER DATABASE " + quote(database) + " WITH ALLOW_CONNECTIONS false IS_TEMPLATE true"); err != nil {
		return err
	}
	return c.maintain(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE "+
			"datname = $1", database)
		return err
	})
}
