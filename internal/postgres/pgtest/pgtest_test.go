package pgtest_test

import (
	"context"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

func TestNewMakesAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	var name string
	var tables int
	err := db.Conn(t, db.URL).QueryRow(context.Background(), `SELECT current_database(),
		(SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = 'public'::regnamespace)`).Scan(&name, &tables)
	if err != nil || name != db.Name || tables != 0 {
		t.Errorf("database %s with %d tables, %v; want %s with none", name, tables, err, db.Name)
	}
}

func TestAppRoleIsSubjectToPolicies(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	role := db.AppRole(t)
	db.Exec(t, `CREATE TABLE leads (id int); INSERT INTO leads VALUES (1);
		ALTER TABLE leads ENABLE ROW LEVEL SECURITY; GRANT SELECT ON leads TO public`)
	var seen int
	if err := db.Conn(t, db.As(t, role)).QueryRow(context.Background(), "SELECT count(*) FROM leads").Scan(&seen); err != nil {
		t.Fatal(err)
	}
	if seen != 0 {
		t.Errorf("the application role sees %d rows without a policy, want 0", seen)
	}
}
