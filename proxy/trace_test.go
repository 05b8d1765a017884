package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/proxy"
	"github.com/moat-db/moat/telemetry"
)

// spans records the spans that have ended, in their order.
type spans struct {
	mu    sync.Mutex
	ended []string
}

type begun struct {
	spans  *spans
	parent string
	of     []slog.Attr
}

func (s *spans) Serve(ctx context.Context, h http.Header, _ string, of ...slog.Attr) (context.Context, telemetry.Span) {
	return ctx, &begun{s, h.Get("Traceparent"), of}
}

func (s *spans) Ask(context.Context, string, ...slog.Attr) telemetry.Span { return nil }

func (b *begun) TraceID() string { return "" }

func (b *begun) End(o telemetry.Outcome) {
	b.spans.mu.Lock()
	defer b.spans.mu.Unlock()
	b.spans.ended = append(b.spans.ended, strings.TrimSpace(fmt.Sprint(o.Name, o.Code, append(b.of, o.Attributes...), " ",
		b.parent)))
}

// A statement is a span, whichever protocol it comes by, and tells no SQL and no values.
func TestSpans(t *testing.T) {
	t.Parallel()
	got := &spans{}
	f := newFixture(t, pgtest.New(t), func(c *proxy.Config) { c.Tracer = got })
	const parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeSimpleProtocol} {
		conn := f.connect(t, "A", mode)
		for _, sql := range []string{allNames + " /*traceparent='" + parent + "'*/",
			"insert into leads (name) values ('secret')", "select 1 / (length(name) - 6) from leads",
			"delete from leads where name = 'secret'"} {
			_, _ = conn.Exec(t.Context(), sql)
		}
	}
	batch := &pgx.Batch{}
	for _, sql := range []string{"select 1", "select 1 / 0", "select 2", "insert into leads (name) values ('lost')"} {
		batch.Queue(sql)
	}
	_ = f.connect(t, "A", pgx.QueryExecModeExec).SendBatch(t.Context(), batch).Close()
	want(t, "in a pool", as(t, f.connect(t, "service", pgx.QueryExecModeExec), "B", allNames), "b1 b2 b3")
	dying := f.connect(t, "A", pgx.QueryExecModeExec)
	_, err := dying.Exec(t.Context(), "select pg_terminate_backend(pg_backend_pid())")
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "57P01" {
		t.Fatal(err)
	}
	f.proxy.Close()
	base := "[db.system.name=postgresql db.namespace=" + f.database
	of := func(t string) string { return base + " moat.tenant=" + t }
	did := func(on, what string, rows int) string {
		return fmt.Sprintf("%s%s db.operation.name=%s moat.rows=%d]", what, on, what, rows)
	}
	a, b := of(string(tenantA)), of(string(tenantB))
	fails := func(code string) string { return code + a + " db.response.status_code=" + code + "]" }
	each := []string{did(a, "SELECT", 2) + " " + parent, did(a, "INSERT", 1),
		fails("22012"), did(a, "DELETE", 1)}
	wanted := append(append(each, each...), did(a, "SELECT", 1), fails("22012"), fails("25P02"), fails("25P02"),
		"BEGIN"+base+" db.operation.name=BEGIN]", "SET"+b+" db.operation.name=SET]",
		did(b, "SELECT", 3), "COMMIT"+base+" db.operation.name=COMMIT]", fails("57P01"))
	if x, y := strings.Join(got.ended, "\n"), strings.Join(wanted, "\n"); x != y {
		t.Errorf("spans\n%s\nwant\n%s", x, y)
	}
}
