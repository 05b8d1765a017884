package database_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
)

// What others write while a proof runs is no leak, however often they do: both tenants get,
// change and lose rows meanwhile, in a table whose triggers, view and definer function have B's
// rows looked at.
func TestOthersWriteMeanwhile(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]struct {
		pause time.Duration
		sql   []string
	}{
		"rows are added": {15 * time.Millisecond, []string{addLeads}},
		"a queue": {time.Millisecond, []string{addLeads, `UPDATE app.leads SET score = score + 1 WHERE score < 9`,
			`DELETE FROM app.leads WHERE score > 2 AND email LIKE '________-%'`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pgtest.Full(t, "rows are added")
			f := newFixture(t, rows, busyLeads)
			written := f.writeMeanwhile(t, w.pause, w.sql)
			r := f.prove(t, database.Options{})
			if n := written(); n < 5 {
				t.Errorf("only %d writes meanwhile", n)
			}
			for _, p := range r.Probes {
				if p.Verdict == prove.VerdictLeak {
					t.Errorf("%s: %s", p.ID, p.Reason)
				}
			}
		})
	}
}

const (
	addLeads = `INSERT INTO app.leads (tenant_id, campaign_id, email, score)
		SELECT DISTINCT ON (tenant_id) tenant_id, campaign_id, gen_random_uuid()::text, 1 FROM app.leads`
	busyLeads = `CREATE FUNCTION app.calm() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE TRIGGER calm BEFORE INSERT OR UPDATE ON app.leads FOR EACH ROW EXECUTE FUNCTION app.calm();
		CREATE VIEW app.scores WITH (security_invoker) AS SELECT tenant_id, sum(score) FROM app.leads GROUP BY 1;
		GRANT SELECT ON app.scores TO $APP;
		CREATE FUNCTION app.total() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER SET search_path = app, pg_temp AS
			'SELECT count(*) FROM app.leads WHERE tenant_id = current_setting(''app.current_tenant'')::uuid'`
)

// writeMeanwhile runs statements one after the other until the returned function is called,
// which says how often that was.
func (f *fixture) writeMeanwhile(t *testing.T, pause time.Duration, statements []string) (stop func() int) {
	t.Helper()
	conn := f.Conn(t, f.URL)
	ctx, cancel := context.WithCancel(t.Context())
	written := 0
	var writer sync.WaitGroup
	writer.Go(func() {
		for ctx.Err() == nil {
			for _, sql := range statements {
				if _, err := conn.Exec(ctx, sql); err != nil {
					return // or it is over
				}
			}
			written++
			time.Sleep(pause)
		}
	})
	return func() int {
		cancel()
		writer.Wait()
		return written
	}
}
