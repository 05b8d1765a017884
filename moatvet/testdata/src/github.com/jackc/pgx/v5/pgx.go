package pgx

import "context"

type (
	Rows      interface{ Close() }
	TxOptions struct{}
	Conn      struct{}
	Tx        interface {
		Query(ctx context.Context, sql string, args ...any) (Rows, error)
		Exec(ctx context.Context, sql string, args ...any) (any, error)
		Conn() *Conn
		Commit(ctx context.Context) error
	}
)

func (*Conn) Exec(ctx context.Context, sql string, args ...any) (any, error) { return nil, nil }
func (*Conn) Ping(ctx context.Context) error                                 { return nil }

type PgConn struct{}

func (*Conn) PgConn() *PgConn                          { return nil }
func (*Conn) TypeMap() any                             { return nil }
func (*PgConn) PID() uint32                            { return 0 }
func (*PgConn) Exec(ctx context.Context, s string) any { return nil }
