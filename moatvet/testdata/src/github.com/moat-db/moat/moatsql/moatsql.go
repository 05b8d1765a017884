package moatsql

import (
	"context"
	"database/sql"
	"database/sql/driver"

	"github.com/moat-db/moat"
)

func Open(ctx context.Context, url string, o *moat.Options) (*sql.DB, error) { return nil, nil }
func NewConnector(db *moat.DB) driver.Connector                              { return nil }
