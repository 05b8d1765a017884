package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/serving"
)

const maxLag = time.Second

// replicated is a primary with a standby, and a server that reads from it.
type replicated struct {
	*server
	primary *pgtest.Cluster
	standby *postgres.Server
	store   *moat.DB
	db      *pgtest.Database
	name    string
}

func newReplicated(t *testing.T) *replicated {
	t.Helper()
	cluster := pgtest.NewCluster(t, postgres.Options{})
	db := cluster.New(t)
	sql, err := os.ReadFile("testdata/schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	role := db.AppRole(t)
	db.Exec(t, strings.ReplaceAll(string(sql), ":app", role))
	r := &replicated{primary: cluster, db: db, standby: standby(t, cluster.Server)}
	r.name = db.Conn(t, db.URL).Config().Database
	both := fmt.Sprintf("host=%s,%s port=%d,%d user=%s dbname=%s target_session_attrs=read-write",
		cluster.Server.SocketDir(), r.standby.SocketDir(), cluster.Server.Port(), r.standby.Port(), role, r.name)
	r.store, err = moat.Open(t.Context(), both, &moat.Options{ClaimsSetting: "request.jwt.claims",
		RoleSetting: "app.role", SubjectSetting: "app.subject", MaxConns: 8, MaxLag: maxLag,
		Replicas: []string{r.standby.URL(r.name, role)}, ConfigurePool: api.ConfigurePool(3 * time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.store.Close)
	r.server = serveOn(t, db, func(c *api.Config) {
		c.DB, c.Connect = r.store, func(ctx context.Context) (*pgx.Conn, error) { return moat.Connect(ctx, both) }
		c.Load = loader(c.Connect)
	})
	return r
}

func (r *replicated) admin(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), r.standby.URL(r.name, postgres.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// soon waits longer than eventually: until a server was promoted on a busy machine.
func soon(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatal("it did not happen within 30 s")
}

// TestReplicaReads reads from a replica, never something that is too old or that the reader
// has overwritten, and refuses servers that are none.
func TestReplicaReads(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: the primary's
	r := newReplicated(t)
	ctx := moat.WithScope(t.Context(), moat.Scope{Tenant: tenantA})
	onReplica := func() bool { return r.store.Reader(ctx) != r.store }
	soon(t, onReplica)
	if err := r.store.InReadTx(ctx, func(tx pgx.Tx) error {
		var standby bool
		var rows int
		err := tx.QueryRow(ctx, "SELECT pg_is_in_recovery(), count(*) FROM app.leads").Scan(&standby, &rows)
		if !standby || rows != 4 {
			t.Errorf("read on a standby: %v, %d rows", standby, rows)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.store.Reader(ctx).Exec(ctx, "DELETE FROM app.labels"); err == nil {
		t.Error("a replica took a write")
	}

	admin := r.admin(t)
	execute(t, admin, "SELECT pg_wal_replay_pause()")
	wrote := r.do(t, call{method: "POST", path: "labels", body: `{"id":900,"name":"x"}`})
	after := wrote.Header.Get("Moat-Written")
	if wrote.Status != http.StatusCreated || after == "" {
		t.Fatalf("write: %d, position %q", wrote.Status, after)
	}
	of := func(position string) string {
		return r.do(t, call{path: "labels?id=eq.900&select=id", header: []string{"Moat-Read-After: " + position}}).Body
	}
	if got := of(after); got != `[{"id":900}]` {
		t.Errorf("a session does not read what it wrote: %s", got)
	}
	for _, wrong := range []string{"unknown", "1-0/", "99-0/0", "1-FFFFFFFF/FFFFFFFF", "'; --"} {
		if got := of(wrong); got != `[{"id":900}]` {
			t.Errorf("a position that nobody can read, %s, led to a replica: %s", wrong, got)
		}
	}
	cookieLeadsHome(t, r.store)
	soon(t, func() bool { return !onReplica() }) // it has fallen behind
	if got := r.do(t, call{path: "labels?id=eq.900&select=id"}).Body; got != `[{"id":900}]` {
		t.Errorf("a read beyond the lag: %s", got)
	}
	execute(t, admin, "SELECT pg_wal_replay_resume()")
	soon(t, onReplica)

	url := r.db.As(t, r.db.Roles["app"])
	other := pgtest.Shared(t).New(t)
	for name, replica := range map[string]string{"the primary itself": url,
		"another cluster":  other.As(t, other.AppRole(t)),
		"another database": r.standby.URL("postgres", r.db.Roles["app"]),
		"another role":     r.standby.URL(r.name, postgres.Superuser)} {
		db, err := moat.Open(t.Context(), url, &moat.Options{Replicas: []string{replica}})
		if !errors.Is(err, moat.ErrNotReplica) {
			t.Errorf("%s as a replica: %v", name, err)
		}
		if err == nil {
			db.Close()
		}
	}
}

// cookieLeadsHome wants a browser that has written to read from the primary, which a replica
// that stands still is behind.
func cookieLeadsHome(t *testing.T, store *moat.DB) {
	t.Helper()
	home := false
	pages := serving.OwnWrites(store, "/portal/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		home = store.Reader(moat.WithScope(r.Context(), moat.Scope{Tenant: tenantA})) == store
		w.WriteHeader(http.StatusSeeOther)
	}))
	answer := httptest.NewRecorder()
	pages.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/portal/t/labels", nil))
	cookies := answer.Result().Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].MaxAge < 1 {
		t.Fatalf("cookies after a write: %v", cookies)
	}
	again := httptest.NewRequest(http.MethodGet, "/portal/t/labels", nil)
	again.AddCookie(cookies[0])
	pages.ServeHTTP(httptest.NewRecorder(), again)
	if !home {
		t.Error("a browser that has written reads from a replica that is behind")
	}
}
