package database_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
)

// What others write while a proof runs is no leak: both tenants get rows meanwhile, in a table
// whose triggers have B's rows looked at.
func TestOthersWriteMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture(t, rows, `CREATE FUNCTION app.calm() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE TRIGGER calm BEFORE INSERT OR UPDATE ON app.leads FOR EACH ROW EXECUTE FUNCTION app.calm()`)
	conn, ctx, written := f.Conn(t, f.URL), t.Context(), 0
	ctx, stop := context.WithCancel(ctx)
	var writer sync.WaitGroup
	writer.Go(func() {
		for ctx.Err() == nil {
			if _, err := conn.Exec(ctx, `INSERT INTO app.leads (tenant_id, campaign_id, email, score)
				SELECT DISTINCT ON (tenant_id) tenant_id, campaign_id, gen_random_uuid()::text, 1 FROM app.leads`); err != nil {
				return // or it is over
			}
			written++
			time.Sleep(15 * time.Millisecond)
		}
	})
	r := f.prove(t, database.Options{})
	stop()
	writer.Wait()
	if written < 5 {
		t.Errorf("only %d writes meanwhile", written)
	}
	for _, p := range r.Probes {
		if p.Verdict == prove.VerdictLeak {
			t.Errorf("%s: %s", p.ID, p.Reason)
		}
	}
}
