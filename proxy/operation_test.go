package proxy_test

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/printed"
	"github.com/moat-db/moat/proxy"
)

func TestOneLogLineForEachConnection(t *testing.T) {
	t.Parallel()
	log := &printed.Output{}
	f := newFixture(t, pgtest.New(t), func(c *proxy.Config) { c.Logger = slog.New(slog.NewTextHandler(log, nil)) })
	for _, token := range []string{"A", "service", "nobody"} {
		if conn, err := pgx.Connect(t.Context(), f.url(token)); err == nil {
			want(t, "answers", names(t, conn, "select 'x'"), "x")
			_ = conn.Close(t.Context())
		}
	}
	deadline := time.Now().Add(5 * time.Second)
	for strings.Count(log.String(), "\n") < 3 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	lines := log.String()
	if strings.Count(lines, "\n") != 3 || !strings.Contains(lines, "tenant="+string(tenantA)+" pool=false") ||
		!strings.Contains(lines, "pool=true") || strings.Count(lines, "error=") != 1 {
		t.Errorf("three connections, one refused:\n%s", lines)
	}
}

// PgBouncer may stand between the proxy and the server, in session mode.
func TestPgBouncerBehind(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.New(t), func(c *proxy.Config) {
		b := bouncer(t, connString(c.Server), "session")
		server, err := pgconn.ParseConfig(b + "?sslmode=disable")
		if err != nil {
			t.Fatal(err)
		}
		c.Server = server
	})
	for range 2 {
		for token, own := range map[string]string{"A": "a1 a2", "B": "b1 b2 b3"} {
			conn := f.connect(t, token, pgx.QueryExecModeCacheStatement)
			want(t, token, names(t, conn, allNames), own)
			want(t, token, as(t, f.connect(t, "service", pgx.QueryExecModeExec), token, allNames), own)
			_ = conn.Close(context.Background())
		}
	}
}

// PgBouncer may stand between clients and the proxy, in transaction mode where each
// transaction names its tenant.
func TestPgBouncerInFront(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.New(t), nil)
	url := bouncer(t, f.url("service"), "transaction")
	var clients []*pgx.Conn
	for range 6 {
		conn, err := pgx.Connect(t.Context(), url+"?sslmode=disable&default_query_exec_mode=exec")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(context.Background())
		clients = append(clients, conn)
	}
	for range 5 {
		for i, conn := range clients {
			token, own := "A", "a1 a2"
			if i%2 == 1 {
				token, own = "B", "b1 b2 b3"
			}
			want(t, token, as(t, conn, token, allNames), own)
			want(t, "none", names(t, conn, allNames), "")
		}
	}
}

func bouncer(t *testing.T, behind, mode string) string {
	t.Helper()
	b, err := postgres.StartBouncer(t.Context(), behind, postgres.BouncerOptions{Mode: mode,
		Size: 20, Ignore: []string{"app.current_tenant", "app.subject", "app.role", "request.jwt.claims"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	return b.URL
}

func connString(c *pgconn.Config) string {
	return "postgres://" + c.User + ":" + c.Password + "@/" + c.Database + "?host=" + c.Host + "&port=" +
		strconv.Itoa(int(c.Port))
}
