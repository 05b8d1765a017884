package pgtest

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/list"
)

// Citus is SQL that makes a database of plain PostgreSQL look like a coordinator of Citus
// to whoever reads the catalog, for tests where there is no real one; see [NewCitus]. It
// distributes nothing. A superuser runs it as one string.
//
//go:embed citus.sql
var Citus string

// citusEnv names a database of a real coordinator, as its superuser, that knows its workers; not
// postgres, where Citus would pass on what the tests send to each server themselves.
// Its servers must let each other in as any role.
const citusEnv = "MOAT_CITUS_URL"

// node is a server of a cluster, by host and port.
type node struct {
	Host string
	Port int
}

// NewCitus makes a database on the servers of the cluster that MOAT_CITUS_URL names, and drops
// it when the test ends. Where that is not set it skips the test, and says so.
func NewCitus(t testing.TB) *Database {
	t.Helper()
	c := elsewhere(t, citusEnv, "a real Citus")
	nodes, err := nodesOf(os.Getenv(citusEnv))
	if err != nil {
		t.Fatalf("pgtest: %s: %v", citusEnv, err)
	}
	c.workers = append(c.workers, list.Map(nodes, c.at)...)
	db := c.New(t)
	for _, server := range append([]*Cluster{c}, c.workers...) {
		run(t, server.urlOf(db.Name, c.superuser), "CREATE EXTENSION citus")
	}
	db.Exec(t, fmt.Sprintf("SELECT citus_set_coordinator_host('%s', %s)", c.base.Hostname(), c.base.Port()))
	for _, n := range nodes {
		db.Exec(t, fmt.Sprintf("SELECT citus_add_node('%s', %d)", n.Host, n.Port))
	}
	return db
}

// pgvectorEnv names a database of a server that has pgvector, as its superuser.
const pgvectorEnv = "MOAT_PGVECTOR_URL"

// Pgvector is the server with pgvector that MOAT_PGVECTOR_URL names. Where that is not set it
// skips the test, and says so.
func Pgvector(t testing.TB) *Cluster {
	t.Helper()
	return elsewhere(t, pgvectorEnv, "pgvector")
}

// elsewhere is a server that an environment variable names, for what the tests' own has not.
func elsewhere(t testing.TB, env, what string) *Cluster {
	t.Helper()
	existing := os.Getenv(env)
	if existing == "" {
		t.Skip("not run against " + what + ": " + env + " is not set")
	}
	c, err := open(existing)
	if err != nil {
		t.Fatalf("pgtest: %s: %v", env, err)
	}
	return c
}

// Workers are the URLs of a database on the other servers, for a role.
func (d *Database) Workers(role string) []string {
	var all []string
	all = append(all, list.Map(d.cluster.workers, func(w *Cluster) string { return w.urlOf(d.Name, role) })...)
	return all
}

// at is the cluster seen from another of its servers.
func (c *Cluster) at(n node) *Cluster {
	base := *c.base
	base.Host = net.JoinHostPort(n.Host, fmt.Sprint(n.Port))
	return &Cluster{Major: c.Major, Version: c.Version, base: &base, superuser: c.superuser, password: c.password}
}

func nodesOf(coordinator string) (nodes []node, err error) {
	err = withConn(coordinator, func(ctx context.Context, conn *pgx.Conn) error {
		rows, _ := conn.Query(ctx, "SELECT nodename, nodeport FROM pg_dist_node WHERE groupid <> 0 AND isactive "+
			"AND noderole = 'primary' ORDER BY 1, 2")
		nodes, err = pgx.CollectRows(rows, pgx.RowToStructByPos[node])
		return err
	})
	return nodes, err
}

func run(t testing.TB, url, sql string) {
	t.Helper()
	err := withConn(url, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.PgConn().Exec(ctx, sql).ReadAll()
		return err
	})
	if err != nil {
		t.Fatalf("pgtest: %s\nin: %s", describe(err), sql)
	}
}
