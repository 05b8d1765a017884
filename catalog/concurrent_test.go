package catalog_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// churned comes and goes as one: created in one transaction, dropped in another. It
// has one of everything whose text PostgreSQL deparses from the newest catalog.
const churned = `
CREATE SCHEMA app; CREATE DOMAIN app.email AS text CHECK (VALUE LIKE '%@%');
CREATE TABLE app.tenants (id bigint PRIMARY KEY);
CREATE TABLE app.leads (id int DEFAULT 1 + 1, tenant_id bigint NOT NULL REFERENCES app.tenants, mail app.email,
	PRIMARY KEY (tenant_id, id), CHECK (id > 0));
CREATE INDEX leads_twice ON app.leads ((id * 2)) WHERE id > 5;
ALTER TABLE app.leads ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON app.leads USING (tenant_id > 1) WITH CHECK (tenant_id > 2);
CREATE TABLE app.ev (at int) PARTITION BY RANGE (at);
CREATE TABLE app.ev_1 PARTITION OF app.ev FOR VALUES FROM (1) TO (2);
CREATE VIEW app.v AS SELECT id, tenant_id FROM app.leads;
CREATE RULE copy AS ON INSERT TO app.tenants DO ALSO INSERT INTO app.ev VALUES (1);
CREATE FUNCTION app.latest(a app.email) RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT max(id) FROM app.leads; END;
CREATE FUNCTION app.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touch BEFORE INSERT ON app.leads FOR EACH ROW EXECUTE FUNCTION app.touch();
`

// Objects that are dropped while Load reads make it begin again: it does not fail, and
// what it returns is all of them or none, each as it was.
func TestLoadWhileObjectsAreDropped(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		t.Parallel()
		db := c.New(t)
		db.Exec(t, churned)
		conn := db.Conn(t, db.URL)
		begin := time.Now()
		want := schemaOf(load(t, conn))
		stop := churn(t, db, time.Since(begin))
		defer stop()

		whole, none := 0, 0
		for min(whole, none) < 10 {
			s, err := catalog.Load(context.Background(), conn)
			if err != nil {
				t.Fatalf("after %d loads: %v", whole+none, err)
			}
			if len(s.Schemas) == 1 { // public
				none++
				if got := schemaOf(s); len(got.Relations)+len(got.Functions)+len(got.Types)+len(got.Dependencies) > 0 {
					t.Fatalf("without the schema there is still %+v", got)
				}
				continue
			}
			whole++
			if diff := cmp.Diff(want, schemaOf(s), cmpopts.IgnoreTypes(catalog.OID(0), []catalog.OID(nil))); diff != "" {
				t.Fatalf("half a snapshot, after %d loads (-want +got):\n%s", whole+none, diff)
			}
		}
	})
}

// churn creates and drops the objects until the returned function is called. It
// leaves them for as long as some loads take, so that a drop falls anywhere.
func churn(t *testing.T, db *pgtest.Database, load time.Duration) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	conn := db.Conn(t, db.URL)
	go func() {
		for ctx.Err() == nil {
			for _, step := range []string{`DROP SCHEMA app CASCADE`, churned} {
				// One string is one transaction, so that nothing is there by halves.
				if _, err := conn.PgConn().Exec(context.Background(), step).ReadAll(); err != nil {
					done <- err
					return
				}
				time.Sleep(rand.N(4 * load))
			}
		}
		done <- nil
	}()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// schemaOf is the part of a Snapshot that the objects of the test make up.
func schemaOf(s *catalog.Snapshot) *catalog.Snapshot {
	own := &catalog.Snapshot{Relations: s.Relations, Types: s.Types, Dependencies: s.Dependencies}
	for _, f := range s.Functions {
		if !f.System {
			own.Functions = append(own.Functions, f)
		}
	}
	return own
}
