package pgtest_test

import (
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// BenchmarkNew is what a test pays for an empty database, the drop not counted.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		pgtest.New(b)
	}
}

// BenchmarkTemplate is what a test pays for a database with a schema in it.
func BenchmarkTemplate(b *testing.B) {
	for b.Loop() {
		pgtest.Template(b, "bench", func(t testing.TB, db *pgtest.Database) {
			db.Exec(t, "CREATE TABLE leads (id int PRIMARY KEY); INSERT INTO leads SELECT generate_series(1, 1000)")
		})
	}
}
