package moat_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
)

// spans is a tracer of statements: what began and ended, as which tenant.
type spans struct {
	mu   sync.Mutex
	seen []string
}

func (s *spans) note(ctx context.Context, what string) {
	scope, _ := moat.ScopeFrom(ctx)
	if scope.Tenant == "" {
		return // the check of the role
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, string(scope.Tenant[:1])+" "+what)
}

func (s *spans) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	s.note(ctx, d.SQL)
	return ctx
}

func (s *spans) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryEndData) {
	if d.Err != nil {
		s.note(ctx, "failed")
		return
	}
	s.note(ctx, "ended")
}

func TestOneSpanAStatement(t *testing.T) {
	t.Parallel()
	tracer := &spans{}
	db := newLeads(t).open(t, 1, moat.Options{Tracer: tracer})
	if err := db.QueryRow(as(tenantA), "select 1").Scan(new(int)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(as(tenantB), "select 2", pgx.QueryExecModeExec); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(as(tenantA), "select 1 / 0"); err == nil {
		t.Fatal("no error")
	}
	err := db.InTx(as(tenantB), func(tx pgx.Tx) error {
		_, err := tx.Exec(as(tenantB), "select 3")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"a select 1", "a ended", "b select 2", "b ended",
		"a select 1 / 0", "a failed", "b select 3", "b ended", "b commit", "b ended"}
	if !slices.Equal(tracer.seen, want) {
		t.Errorf("spans\n%q, want\n%q", tracer.seen, want)
	}
}
