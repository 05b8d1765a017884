package pgtest

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moat-db/moat/internal/postgres"
)

func TestParseMajors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		list string
		want []int
		bad  bool
	}{
		{list: ""},
		{list: "14,15,16,17,18", want: []int{14, 15, 16, 17, 18}},
		{list: " 18, 14 14", want: []int{14, 18}},
		{list: "13", bad: true},
		{list: "15.2", bad: true},
		{list: "all", bad: true},
	}
	for _, test := range tests {
		got, err := parseMajors(test.list)
		if (err != nil) != test.bad || !cmp.Equal(got, test.want) {
			t.Errorf("parseMajors(%q) = %v, %v; want %v, error %v", test.list, got, err, test.want, test.bad)
		}
	}
}

// A test on an existing cluster works as on a private one and leaves nothing there.
func TestExistingClusterIsLeftAsItWas(t *testing.T) {
	t.Parallel()
	server := NewCluster(t, postgres.Options{Listen: "127.0.0.1:0"})
	if err := server.admin("CREATE ROLE chief LOGIN SUPERUSER PASSWORD 'secret'"); err != nil {
		t.Fatal(err)
	}
	before := inventory(t, server)
	t.Run("inner", func(t *testing.T) {
		c, err := open("postgres://chief:secret@" + server.Server.Address() + "/postgres?application_name=tests")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			db := c.Template(t, "leads", func(t testing.TB, db *Database) {
				role := db.AppRole(t)
				db.Exec(t, "CREATE TABLE leads (); GRANT SELECT ON leads TO "+role)
			})
			db.Conn(t, db.As(t, db.Roles["app"])) // logs in over TCP, with a password
		}
	})
	if diff := cmp.Diff(before, inventory(t, server)); diff != "" {
		t.Errorf("the cluster has changed (-before +after):\n%s", diff)
	}
}

// inventory lists what a cluster has in addition to its databases' contents.
func inventory(t *testing.T, c *Cluster) string {
	t.Helper()
	var all string
	db := Database{URL: c.urlOf("postgres", c.superuser)}
	err := db.Conn(t, db.URL).QueryRow(t.Context(), `SELECT string_agg(name, E'\n' ORDER BY name) FROM (
		SELECT 'database ' || datname FROM pg_catalog.pg_database
		UNION ALL SELECT 'role ' || rolname FROM pg_catalog.pg_roles) AS everything(name)`).Scan(&all)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A test may end every connection; those that the cluster keeps for itself come back.
func TestKeptConnectionsMayBeEnded(t *testing.T) {
	t.Parallel()
	c := NewCluster(t, postgres.Options{})
	db := c.New(t)
	db.Exec(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "+
		"backend_type = 'client backend'")
	c.New(t)
}

func TestOpenRefusesWhatCannotServe(t *testing.T) {
	t.Parallel()
	c := NewCluster(t, postgres.Options{})
	if err := c.admin("CREATE ROLE visitor LOGIN"); err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{"host=/tmp dbname=x", "http://example.com", c.urlOf("postgres", "visitor"),
		"postgres://nobody@127.0.0.1:1/none"} {
		if _, err := open(url); err == nil {
			t.Errorf("%s was accepted", url)
		}
	}
}

// A major version that cannot be had is an error, never a skip. The environment is
// the whole process's, so this test runs alone.
func TestMissingMajorIsAnError(t *testing.T) {
	t.Setenv(postgres.CacheEnv, t.TempDir())
	t.Setenv("PATH", t.TempDir())
	t.Setenv(urlEnv, os.Getenv(urlEnv))
	if _, err := openShared(99); err == nil {
		t.Error("PostgreSQL 99 was had")
	}
}
