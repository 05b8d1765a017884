package moat

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

type (
	Tenant  string
	Scope   struct{ Tenant Tenant }
	Options struct{}
	DB      struct{}
)

func WithScope(ctx context.Context, s Scope) context.Context                  { return ctx }
func Open(ctx context.Context, url string, o *Options) (*DB, error)           { return nil, nil }
func New(pool *pgxpool.Pool, o *Options) (*DB, error)                         { return nil, nil }
func (*DB) UnscopedPool() *pgxpool.Pool                                       { return nil }
func (*DB) Check(ctx context.Context) error                                   { return nil }
func (*DB) Exec(ctx context.Context, sql string, args ...any) (any, error)    { return nil, nil }
func (*DB) Begin(ctx context.Context) (pgx.Tx, error)                         { return nil, nil }
func (*DB) InTx(ctx context.Context, fn func(tx pgx.Tx) error) error          { return nil }
func (*DB) InReadTx(ctx context.Context, fn func(tx pgx.Tx) error) error      { return nil }
func (*DB) Query(ctx context.Context, sql string, a ...any) (pgx.Rows, error) { return nil, nil }
