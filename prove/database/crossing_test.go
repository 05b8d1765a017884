package database_test

import (
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/baseline"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/prove"
	"github.com/moat-db/moat/prove/database"
)

// bids are rows of one tenant that refer to another tenant's, as they are meant to; a trigger
// asks for the tenant's own ones.
const bids = `ALTER TABLE app.campaigns ADD CONSTRAINT campaigns_id_key UNIQUE (id);
	CREATE TABLE app.bids (tenant_id uuid NOT NULL REFERENCES app.tenants(id), id uuid NOT NULL DEFAULT gen_random_uuid(),
		job uuid NOT NULL CONSTRAINT bids_job REFERENCES app.campaigns(id) CARRY, note text, PRIMARY KEY (tenant_id, id));
	INSERT INTO app.bids (tenant_id, job) SELECT t.id, c.id FROM app.tenants t JOIN app.campaigns c ON c.tenant_id <> t.id;
	CREATE FUNCTION app.job_open() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
		IF NOT EXISTS (SELECT FROM app.campaigns WHERE id = NEW.job) THEN RAISE EXCEPTION 'no such job'; END IF; RETURN NEW;
	END$$;
	CREATE TRIGGER job_open BEFORE INSERT ON app.bids FOR EACH ROW EXECUTE FUNCTION app.job_open();`

// A key that crosses tenants on purpose can be accepted, with what it tells, but not where it
// changes another tenant's row.
func TestCrossingKeyAccepted(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestHolesLeakAndMendedTwinsDoNot
	for carry, want := range map[string]prove.Verdict{"": "", "ON DELETE CASCADE": prove.VerdictLeak} {
		f := newFixture(t, rows, strings.ReplaceAll(bids, "CARRY", carry)+
			strings.NewReplacer("$T", "app.bids", "$C", "tenant_id").Replace(policy))
		key := baseline.Entry{Kind: "key-foreign-key", Object: "app.bids.bids_job", Reason: "bids cross",
			Fingerprint: catalog.Definition(f.snapshot(t), "app.bids.bids_job"), Expires: "2027-01-31"}
		r := f.prove(t, database.Options{Today: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
			Accepted: []baseline.Entry{key}})
		if p := r.Find("cascade:app.bids"); (p == nil) != (want == "") || p != nil && p.Verdict != want {
			t.Errorf("%q: %+v", carry, p)
		}
		if p := r.Find("foreign key:app.bids"); p != nil {
			t.Errorf("%q: accepted, and yet %+v", carry, p)
		}
		if p := r.Find("trigger:app.bids"); p == nil || p.Verdict != prove.VerdictIsolated {
			t.Errorf("%q: A may bid for a job of its own: %+v", carry, p)
		}
	}
}
