package pgxpool

import (
	"context"

	"github.com/jackc/pgx/v5"
)

type (
	Pool struct{}
	Conn struct{}
)

func New(ctx context.Context, url string) (*Pool, error) { return &Pool{}, nil }

func (*Pool) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) { return nil, nil }
func (*Pool) Acquire(ctx context.Context) (*Conn, error)                           { return nil, nil }
func (*Pool) Close()                                                               {}
func (*Conn) Exec(ctx context.Context, sql string, args ...any) (any, error)       { return nil, nil }
