package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
)

// querier is what both sides have in common.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// shape is one kind of statement. Each run asks for the n-th tenant's row k.
type shape struct {
	name  string
	plain func(ctx context.Context, q querier, tenant string, k int64) error
	moat  func(ctx context.Context, q querier, k int64) error
}

type lead struct {
	Tenant  [16]byte
	ID      int64
	Name    string
	Status  string
	Created time.Time
}

// nextID gives inserts ids that no other has.
var nextID atomic.Int64

func shapes() []shape {
	return []shape{
		{"point",
			func(ctx context.Context, q querier, t string, k int64) error {
				return read(ctx, q, 1, "select tenant_id, id, name, status, created_at from leads where tenant_id = $1 and id = $2",
					t, k)
			},
			func(ctx context.Context, q querier, k int64) error {
				return read(ctx, q, 1, "select tenant_id, id, name, status, created_at from leads where id = $1", k)
			}},
		{"list of 50",
			func(ctx context.Context, q querier, t string, _ int64) error {
				return read(ctx, q, 50, "select tenant_id, id, name, status, created_at from leads where tenant_id = $1 order by "+
					"created_at desc limit 50", t)
			},
			func(ctx context.Context, q querier, _ int64) error {
				return read(ctx, q, 50, "select tenant_id, id, name, status, created_at from leads order by created_at "+
					"desc limit 50")
			}},
		{"insert",
			func(ctx context.Context, q querier, t string, _ int64) error {
				_, err := q.Exec(ctx, "insert into leads (tenant_id, id, name, status, created_at) values ($1, $2, 'x', 'new', "+
					"timestamptz '2000-01-01')", t, -nextID.Add(1))
				return err
			},
			func(ctx context.Context, q querier, _ int64) error {
				_, err := q.Exec(ctx, "insert into leads (id, name, status, created_at) values ($1, 'x', 'new', timestamptz "+
					"'2000-01-01')", -nextID.Add(1))
				return err
			}},
		{"count",
			func(ctx context.Context, q querier, t string, _ int64) error {
				return count(ctx, q, "select count(*) from leads where tenant_id = $1", t)
			},
			func(ctx context.Context, q querier, _ int64) error {
				return count(ctx, q, "select count(*) from leads")
			}},
	}
}

// read collects rows and insists on their number: a fast wrong answer is not a result.
func read(ctx context.Context, q querier, want int, sql string, args ...any) error {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	got, err := pgx.CollectRows(rows, pgx.RowToStructByPos[lead])
	if err == nil && len(got) != want {
		err = fmt.Errorf("%d rows, want %d: %s", len(got), want, sql)
	}
	return err
}

func count(ctx context.Context, q querier, sql string, args ...any) error {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	n, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[int64])
	if err == nil && n == 0 {
		err = fmt.Errorf("nothing to count")
	}
	return err
}

func tenantID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func scoped(ctx context.Context, n int) context.Context {
	return moat.WithScope(ctx, moat.Scope{Tenant: moat.Tenant(tenantID(n))})
}
