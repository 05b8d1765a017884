package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/moat-db/moat/internal/postgres"
)

const (
	// urlEnv names an existing cluster to use instead of a private one.
	urlEnv = "MOAT_TEST_DATABASE_URL"
	// majorsEnv lists the major versions that EachMajor runs.
	majorsEnv = "MOAT_TEST_MAJORS"
)

// Cluster is a PostgreSQL server that tests make databases on.
type Cluster struct {
	// Major is the server's major version, such as 15.
	Major int
	// Version is its server_version_num, such as 150018.
	Version int
	// Server is the private server; nil when the cluster is an existing one.
	Server *postgres.Server

	workers []*Cluster // the other servers of Citus, for databases and roles

	base      *url.URL // of the maintenance database, as superuser
	superuser string
	password  string // of the roles made here; empty where the socket trusts
	kept      chan *pgx.Conn

	mu        sync.Mutex
	templates map[string]*template
}

// shared holds the clusters of this test process by major version; zero is the
// default one. It is package state because the clusters are per process: the testing
// package has no other place for what outlives one test. Nothing stops them: they
// end with the process.
var shared = struct {
	mu       sync.Mutex
	clusters map[int]*Cluster
}{clusters: map[int]*Cluster{}}

// Shared returns the cluster of this test process: the one that
// MOAT_TEST_DATABASE_URL names, else a private one from the newest binaries found.
func Shared(t testing.TB) *Cluster {
	t.Helper()
	return sharedMajor(t, 0)
}

func sharedMajor(t testing.TB, major int) *Cluster {
	t.Helper()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if c := shared.clusters[major]; c != nil {
		return c
	}
	c, err := openShared(major)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	shared.clusters[major] = c
	return c
}

func openShared(major int) (*Cluster, error) {
	if existing := os.Getenv(urlEnv); existing != "" && major == 0 {
		return open(existing)
	}
	// A demanded major may be fetched; by default only what is here is used.
	return private(postgres.Options{Major: major, Download: major != 0})
}

// NewCluster starts a private cluster for this test alone and stops it when the test
// ends: for tests that change what belongs to the whole cluster, such as roles with
// fixed names or settings. opts is as in [postgres.Start]; its settings are added to
// those of the shared cluster.
func NewCluster(t testing.TB, opts postgres.Options) *Cluster {
	t.Helper()
	c, err := private(opts)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Server.Stop(); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	return c
}

// EachMajor runs fn as a sub-test on a shared cluster of each major version in
// MOAT_TEST_MAJORS ("14,15,16,17,18"), fetching binaries that are not installed. A
// version that cannot be had fails the test. Without the variable fn runs once, on
// [Shared].
func EachMajor(t *testing.T, fn func(t *testing.T, c *Cluster)) {
	t.Helper()
	majors, err := parseMajors(os.Getenv(majorsEnv))
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	if len(majors) == 0 {
		c := Shared(t)
		t.Run(fmt.Sprintf("pg%d", c.Major), func(t *testing.T) { fn(t, c) })
		return
	}
	for _, major := range majors {
		t.Run(fmt.Sprintf("pg%d", major), func(t *testing.T) { fn(t, sharedMajor(t, major)) })
	}
}

func parseMajors(list string) ([]int, error) {
	var majors []int
	for item := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ' ' }) {
		major, err := strconv.Atoi(item)
		if err != nil || major < postgres.MinMajor {
			return nil, fmt.Errorf("%s: %q is not a major version from %d on", majorsEnv, item, postgres.MinMajor)
		}
		majors = append(majors, major)
	}
	slices.Sort(majors)
	return slices.Compact(majors), nil
}

// private starts a server with settings that tests of the catalog and of long
// transactions need.
func private(opts postgres.Options) (*Cluster, error) {
	settings := map[string]string{
		"max_connections":           "200",
		"wal_level":                 "logical",
		"max_prepared_transactions": "10",
		"autovacuum":                "off", // nothing may change plans or block a drop behind a test's back
		"shared_buffers":            "64MB",
		"max_wal_size":              "256MB",   // the log is in memory too
		"shared_preload_libraries":  "plpgsql", // once, not in each session
	}
	maps.Copy(settings, opts.Settings)
	opts.Settings = settings
	if opts.Temp == "" {
		opts.Temp = postgres.MemoryDir()
	}
	s, err := postgres.Start(context.Background(), opts)
	if err != nil {
		return nil, err
	}
	c, err := open(s.URL("postgres", postgres.Superuser))
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	c.Server, c.password = s, ""
	return c, nil
}

// open looks at an existing cluster.
func open(rawURL string) (*Cluster, error) {
	base, err := url.Parse(rawURL)
	if err != nil || (base.Scheme != "postgres" && base.Scheme != "postgresql") {
		return nil, fmt.Errorf("%s must be a postgres:// URL", urlEnv)
	}
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	c := &Cluster{base: base, password: rand.Text(), templates: map[string]*template{},
		kept: make(chan *pgx.Conn, 2)}
	var super bool
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int, current_user,
		(SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)`).Scan(&c.Version, &c.superuser, &super)
	if err != nil {
		return nil, err
	}
	if !super {
		return nil, fmt.Errorf("%s: role %s is not a superuser", urlEnv, c.superuser)
	}
	c.Major = c.Version / 10000
	return c, nil
}

// URL returns the connection string of a database of this cluster for a role. For a
// role that [Database.Role] has not made and that needs a password it has none.
func (c *Cluster) URL(database, role string) string { return c.urlOf(database, role) }

func (c *Cluster) urlOf(database, role string) string {
	u := *c.base
	u.Path, u.RawPath = "/"+database, "/"+url.PathEscape(database)
	switch {
	case role == c.superuser:
	case c.password != "":
		u.User = url.UserPassword(role, c.password)
	default:
		u.User = url.User(role)
	}
	// The same words as parameters would win over those of the URL's front part.
	q := u.Query()
	for _, name := range []string{"user", "password", "dbname", "database"} {
		if role != c.superuser || name == "dbname" || name == "database" {
			q.Del(name)
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// unique returns a name that no other test, process or run uses.
func unique(prefix string) string {
	return strings.ToLower(fmt.Sprintf("moat_%s_%s", prefix, rand.Text()[:16]))
}
