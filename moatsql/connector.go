package moatsql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
)

// Open connects to url as [moat.Open] does, which refuses a role that could see other
// tenants' rows, and returns a *sql.DB over it. Closing that closes the connections. o
// may be nil.
func Open(ctx context.Context, url string, o *moat.Options) (*sql.DB, error) {
	opts := moat.Options{}
	if o != nil {
		opts = *o
	}
	inner := opts.ConfigurePool
	opts.ConfigurePool = func(c *pgxpool.Config) {
		if inner != nil {
			inner(c)
		}
		Configure(c)
	}
	db, err := moat.Open(ctx, url, &opts)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(&connector{db: db, seen: newTexts(), owned: true}), nil
}

// Configure prepares a pool's configuration for [NewConnector]: its connections return
// arrays, addresses, numbers and the like as text, which is what programs that use
// database/sql scan. Programs that use pgx on the same pool are not affected.
func Configure(c *pgxpool.Config) {
	before := c.AfterConnect
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		resultsAsText(conn.TypeMap())
		if before == nil {
			return nil
		}
		return before(ctx, conn)
	}
}

// NewConnector returns a connector for sql.OpenDB over db, which stays open when the
// *sql.DB is closed. The pool of db must come from a configuration that [Configure]
// prepared. The limits that count are the pool's; those of the *sql.DB come on top.
func NewConnector(db *moat.DB) driver.Connector { return &connector{db: db, seen: newTexts()} }

type connector struct {
	db    *moat.DB
	seen  *texts
	owned bool
}

var _ io.Closer = (*connector)(nil)

// Connect makes a place for one statement or transaction at a time; connections are
// the pool's.
func (c *connector) Connect(context.Context) (driver.Conn, error) {
	return &conn{db: c.db, seen: c.seen}, nil
}

// Driver exists for database/sql. It opens nothing: a connection string alone does not
// say how the tenant is bound.
func (c *connector) Driver() driver.Driver { return noDriver{} }

// Close is called by sql.DB's.
func (c *connector) Close() error {
	if c.owned {
		c.db.Close()
	}
	return nil
}

type noDriver struct{}

func (noDriver) Open(string) (driver.Conn, error) {
	return nil, errors.New("moatsql has no connection strings: use moatsql.Open or sql.OpenDB")
}
