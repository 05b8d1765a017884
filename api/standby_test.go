package api_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// standby starts a hot standby of a cluster.
func standby(t *testing.T, primary *postgres.Server) *postgres.Server {
	t.Helper()
	dir := filepath.Join(sharedDir(t), "standby")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(primary.SocketDir())
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if err := os.Chown(dir, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
	copyCluster(t, primary, owner, filepath.Join(dir, "data"))
	s, err := postgres.Start(t.Context(), postgres.Options{Dir: dir, Major: primary.Major(), Settings: map[string]string{
		"max_connections": "200", "max_prepared_transactions": "10", "wal_level": "logical",
		"primary_conninfo": fmt.Sprintf("host=%s port=%d user=postgres", primary.SocketDir(), primary.Port())}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// copyCluster makes a standby's folder with SQL and cp: downloaded builds have no pg_basebackup.
func copyCluster(t *testing.T, primary *postgres.Server, owner *syscall.Stat_t, to string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), primary.URL("postgres", postgres.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var from, label string
	err = conn.QueryRow(t.Context(), "SELECT current_setting('data_directory') FROM pg_backup_start('standby', true)").
		Scan(&from)
	if err != nil {
		t.Fatal(err)
	}
	runAs(t, owner, "", `cp -a "$0" "$1" && rm "$1/postmaster.pid"`, from, to)
	if err := conn.QueryRow(t.Context(), "SELECT labelfile FROM pg_backup_stop()").Scan(&label); err != nil {
		t.Fatal(err)
	}
	runAs(t, owner, label, `cat > "$0/backup_label" && touch "$0/standby.signal"`, to)
}

// runAs runs a script of the shell as the user that PostgreSQL runs as.
func runAs(t *testing.T, owner *syscall.Stat_t, input, script string, args ...string) {
	t.Helper()
	cmd := exec.Command("sh", append([]string{"-c", script}, args...)...)
	cmd.Dir, cmd.Stdin = "/", strings.NewReader(input)
	if os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("copy the primary: %v %s", err, out)
	}
}

// serveURL serves what a connection string leads to.
func serveURL(t *testing.T, db *pgtest.Database, url string, timeout time.Duration) *server {
	t.Helper()
	store, err := moat.Open(t.Context(), url, &moat.Options{ClaimsSetting: "request.jwt.claims", RoleSetting: "app.role",
		SubjectSetting: "app.subject", MaxConns: 4, ConfigurePool: api.ConfigurePool(timeout)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return serveOn(t, db, func(c *api.Config) {
		c.PollInterval = often
		c.DB, c.Connect = store, func(ctx context.Context) (*pgx.Conn, error) { return moat.Connect(ctx, url) }
		c.Load = loader(c.Connect)
	})
}

// cutOff ends all connections to a server and lets nobody reach it until the test ends.
func cutOff(t *testing.T, db *pgtest.Database, socket string) {
	t.Helper()
	admin := db.Conn(t, db.URL)
	if err := os.Rename(socket, socket+".gone"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Rename(socket+".gone", socket); err != nil {
			t.Error(err)
		}
	})
	const end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = " +
		"current_database()"
	if _, err := admin.Exec(t.Context(), end); err != nil {
		t.Fatal(err)
	}
}

// A hot standby serves reads and follows changes of the schema, and says why it takes no
// writes. A connection string with both servers finds the one that it asks for, and goes on
// after the primary is gone and the standby has taken its place.
func TestStandby(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestReplicaReads
	cluster := pgtest.NewCluster(t, postgres.Options{})
	db := cluster.New(t)
	loadSchema(t, db)
	role := db.Roles["app"]
	second := standby(t, cluster.Server)
	name := db.Conn(t, db.URL).Config().Database
	both := fmt.Sprintf("host=%s,%s port=%d,%d user=%s dbname=%s", second.SocketDir(), cluster.Server.SocketDir(),
		second.Port(), cluster.Server.Port(), role, name)

	s := serveURL(t, db, both+" target_session_attrs=standby", 3*time.Second)
	for _, e := range []expectation{
		ids("read", "leads", "1 2 3 4"),
		{name: "function", call: call{path: "rpc/add?a=1"}, body: "2"},
		{name: "insert", call: call{method: "POST", path: "labels", body: `{"id":9,"name":"x"}`}, status: 405,
			text: "standby"},
		{name: "update", call: call{method: "PATCH", path: "labels?id=eq.1", body: `{"name":"x"}`}, status: 405,
			text: "25006"},
		{name: "delete", call: call{method: "DELETE", path: "labels?id=eq.1"}, status: 405, text: "standby"},
		{name: "writing function", call: call{method: "POST", path: "rpc/rename_lead",
			body: `{"lead":1,"new_name":"x"}`}, status: 405, text: "standby"},
		{name: "ready", call: call{path: "/readyz"}, status: 200},
	} {
		e.check(t, s)
	}
	db.Exec(t, "ALTER TABLE app.labels ADD COLUMN shade text")
	eventually(t, func() bool { return s.do(t, call{path: "labels?select=shade"}).Status == http.StatusOK })

	writing := serveURL(t, db, both+" target_session_attrs=read-write", 3*time.Second)
	insert := func(id int) int {
		return writing.do(t, call{method: "POST", path: "labels", body: fmt.Sprintf(`{"id":%d,"name":"x"}`, id)}).Status
	}
	if got := insert(901); got != http.StatusCreated {
		t.Errorf("a write with the standby first: %d", got)
	}
	eventually(t, func() bool { return s.do(t, call{path: "labels?id=eq.901&select=id"}).Body == `[{"id":901}]` })
	cutOff(t, db, cluster.Server.SocketDir())
	promote, err := pgx.Connect(t.Context(), second.URL(name, postgres.Superuser))
	if err != nil {
		t.Fatal(err)
	}
	defer promote.Close(context.Background())
	if _, err := promote.Exec(t.Context(), "SELECT pg_promote()"); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return insert(902) == http.StatusCreated })
	got := writing.do(t, call{path: "labels?id=in.(901,902)&select=id&order=id"})
	if got.Body != `[{"id":901},{"id":902}]` {
		t.Errorf("after the change of places: %s", got.Body)
	}
}
