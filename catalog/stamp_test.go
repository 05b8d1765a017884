package catalog_test

import (
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// BenchmarkStamp asks 1,000 tables whether anything has changed.
func BenchmarkStamp(b *testing.B) {
	db := pgtest.New(b)
	db.Exec(b, wideSchema(1000))
	conn := db.Conn(b, db.URL)
	for b.Loop() {
		if _, err := catalog.Stamp(b.Context(), conn); err != nil {
			b.Fatal(err)
		}
	}
}

// What ordinary traffic does leaves the stamp as it is. The test is alone on the cluster, for
// others create roles, which change it.
func TestStampIgnoresTraffic(t *testing.T) {
	db := pgtest.New(t)
	db.Exec(t, `CREATE TABLE a (id serial PRIMARY KEY, x text); CREATE INDEX ON a (x)`)
	conn := db.Conn(t, db.As(t, db.AppRole(t)))
	before, err := catalog.Stamp(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"INSERT INTO a (x) SELECT g::text FROM generate_series(1, 5000) g",
		"DELETE FROM a WHERE id % 2 = 0", "ANALYZE a", "VACUUM a", "CREATE TEMP TABLE a_temp (id int, y text)",
		"SELECT lo_create(0)"} {
		db.Exec(t, sql)
		if after, err := catalog.Stamp(t.Context(), conn); err != nil || after != before {
			t.Errorf("%s changes the stamp, %v", sql, err)
		}
	}
	db.Exec(t, "ALTER TABLE a ADD y int")
	if after, err := catalog.Stamp(t.Context(), conn); err != nil || after == before {
		t.Errorf("a new column leaves the stamp, %v", err)
	}
}
