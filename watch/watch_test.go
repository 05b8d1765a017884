package watch_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/watch"
)

const schema = `
CREATE SCHEMA app AUTHORIZATION {owner};
GRANT USAGE ON SCHEMA app TO {app};
CREATE TABLE app.tenants (id uuid PRIMARY KEY);
CREATE TABLE app.leads (tenant_id uuid NOT NULL REFERENCES app.tenants, id int, email text,
	PRIMARY KEY (tenant_id, id));
CREATE TABLE app.events (tenant_id uuid NOT NULL, day date NOT NULL, x int) PARTITION BY RANGE (day);
CREATE TABLE app.events_1 PARTITION OF app.events FOR VALUES FROM ('2026-01-01') TO ('2026-01-02');
CREATE VIEW app.shown WITH (security_invoker) AS SELECT id, email FROM app.leads;
CREATE FUNCTION app.mine() RETURNS uuid LANGUAGE sql STABLE AS $$
	SELECT nullif(current_setting('app.current_tenant', true), '')::uuid $$;
CREATE FUNCTION app.touched() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION app.guard() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN END $$;
CREATE EVENT TRIGGER {db}_guard ON ddl_command_end EXECUTE FUNCTION app.guard();
CREATE TRIGGER touched BEFORE UPDATE ON app.leads FOR EACH ROW EXECUTE FUNCTION app.touched();
CREATE PUBLICATION sent FOR TABLE app.tenants;
ALTER TABLE app.leads OWNER TO {owner};
CREATE POLICY wall ON app.leads AS RESTRICTIVE USING (tenant_id = (SELECT app.mine()));
CREATE POLICY access ON app.leads TO {app} USING (true);
ALTER TABLE app.leads ENABLE ROW LEVEL SECURITY;
ALTER TABLE app.leads FORCE ROW LEVEL SECURITY;
GRANT SELECT, INSERT, UPDATE ON app.leads TO {app};
INSERT INTO app.tenants VALUES ('11111111-1111-1111-1111-111111111111');
`

// world is a database that is watched, with a clock of its own.
type world struct {
	*pgtest.Database
	t       *testing.T
	names   *strings.Replacer
	now     time.Time
	state   *watch.State
	watcher *watch.Watcher
	reading *pgx.Conn // for what is accepted
	events  []watch.Event
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := pgtest.New(t)
	app, owner, other := db.AppRole(t), db.Role(t, "owner", "NOLOGIN"), db.Role(t, "other", "NOLOGIN")
	w := &world{Database: db, t: t, reading: db.Conn(t, db.URL), now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
		names: strings.NewReplacer("{app}", app, "{owner}", owner, "{other}", other, "{db}", db.Name)}
	w.do(schema)
	w.watcher = &watch.Watcher{Now: func() time.Time { return w.now }, Every: time.Second,
		Connect: func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, db.URL) },
		States:  func() ([]*watch.State, error) { return []*watch.State{w.state}, nil },
		Report:  func(_ context.Context, e watch.Event) { w.events = append(w.events, e) }}
	w.accept()
	return w
}

func (w *world) do(sql string) { w.t.Helper(); w.Exec(w.t, w.names.Replace(sql)) }

// accept takes the database as it is for the accepted state, by way of its file.
func (w *world) accept() {
	w.t.Helper()
	s, err := catalog.Load(w.t.Context(), w.reading)
	if err != nil {
		w.t.Fatal(err)
	}
	name := filepath.Join(w.t.TempDir(), "state.json")
	facts := watch.FactsOf(s)
	// Or two states that were accepted at two times would differ by other tests' roles too.
	maps.DeleteFunc(facts, func(fact, _ string) bool { return w.theirs(fact) })
	written := &watch.State{Version: 1, Database: s.Database.Name, At: w.now, Facts: facts}
	if err := written.Write(name); err != nil {
		w.t.Fatal(err)
	}
	if w.state, err = watch.Read(name); err != nil {
		w.t.Fatal(err)
	}
}

// tick looks after one interval.
func (w *world) tick() watch.Look {
	w.now = w.now.Add(time.Second)
	return w.watcher.Look(w.t.Context())
}

// mine leaves out what other tests do to the cluster: it is theirs too.
func (w *world) mine(drift []watch.Drift) []watch.Drift {
	return slices.DeleteFunc(slices.Clone(drift), func(d watch.Drift) bool { return w.theirs(d.Fact) })
}

func (w *world) theirs(fact string) bool {
	kind, rest, _ := strings.Cut(fact, " ")
	name, _, _ := strings.Cut(rest, " of ")
	return (kind == "role" || kind == "member") && w.Foreign(name)
}

// Drifts are changes of the isolation, and the fact that shows each.
func drifts() [][2]string {
	return [][2]string{
		{"ALTER POLICY wall ON app.leads USING (true)", "policy app.leads.wall"},
		{"ALTER POLICY access ON app.leads TO PUBLIC", "policy app.leads.access"},
		{"CREATE POLICY more ON app.leads TO {app} USING (true)", "policy app.leads.more"},
		{"DROP POLICY wall ON app.leads", "policy app.leads.wall"},
		{"ALTER TABLE app.leads NO FORCE ROW LEVEL SECURITY", "table app.leads"},
		{"ALTER TABLE app.leads DISABLE ROW LEVEL SECURITY", "table app.leads"},
		{"CREATE TABLE app.orders (id int, tenant_id uuid)", "table app.orders"},
		{"ALTER TABLE app.leads ADD secret text", "column app.leads.secret"},
		{"ALTER TABLE app.leads ALTER tenant_id SET DEFAULT '11111111-1111-1111-1111-111111111111'",
			"column app.leads.tenant_id"},
		{"ALTER TABLE app.leads ADD UNIQUE (email)", "constraint app.leads.leads_email_key"},
		{"CREATE UNIQUE INDEX by_id ON app.leads (id)", "unique index app.leads.by_id"},
		{"GRANT DELETE ON app.leads TO {app}", "grant app.leads to {app}"},
		{"GRANT TRUNCATE ON app.leads TO PUBLIC", "grant app.leads to PUBLIC"},
		{"GRANT UPDATE (id) ON app.tenants TO {app}", "grant column app.tenants.id to {app}"},
		{"GRANT CREATE ON SCHEMA app TO {app}", "grant schema app to {app}"},
		{"GRANT TEMP ON DATABASE {db} TO {app}", "grant database to {app}"},
		{"ALTER DEFAULT PRIVILEGES IN SCHEMA app GRANT SELECT ON TABLES TO {app}", "default privilege of "},
		{"ALTER ROLE {app} BYPASSRLS", "role {app}"},
		{"ALTER ROLE {other} LOGIN CREATEROLE", "role {other}"},
		{"GRANT {owner} TO {app}", "member {app} of {owner} by "},
		{"CREATE OR REPLACE FUNCTION app.mine() RETURNS uuid LANGUAGE sql STABLE AS 'SELECT NULL::uuid'",
			"function app.mine()"},
		{"CREATE FUNCTION app.all_leads() RETURNS SETOF app.leads LANGUAGE sql SECURITY DEFINER AS 'TABLE app.leads'",
			"function app.all_leads()"},
		{"ALTER FUNCTION app.mine() SECURITY DEFINER LEAKPROOF", "function app.mine()"},
		{"REVOKE EXECUTE ON FUNCTION app.mine() FROM PUBLIC", "grant function app.mine() to PUBLIC"},
		{"ALTER VIEW app.shown SET (security_invoker = false)", "view app.shown"},
		{"ALTER TABLE app.leads DISABLE TRIGGER touched", "trigger app.leads.touched"},
		{"CREATE RULE away AS ON DELETE TO app.leads DO INSTEAD NOTHING", "rule app.leads.away"},
		{"ALTER EVENT TRIGGER {db}_guard DISABLE", "event trigger {db}_guard"},
		{"ALTER PUBLICATION sent ADD TABLE app.leads", "publication sent"},
		{"CREATE EXTENSION pgcrypto SCHEMA app", "extension pgcrypto"},
		{"ALTER DATABASE {db} SET app.current_tenant = '11111111-1111-1111-1111-111111111111'",
			"stored setting app.current_tenant for all roles in {db}"},
		{"ALTER ROLE {app} IN DATABASE {db} SET row_security = off", "stored setting row_security for {app} in {db}"},
		{"CREATE TABLE app.events_2 PARTITION OF app.events FOR VALUES FROM ('2026-01-02') TO ('2026-01-03'); GRANT SELECT " +
			"ON app.events_2 TO {app}", "partitions of app.events like "},
		{"DROP VIEW app.shown", "view app.shown"},
		{"ALTER TABLE app.leads OWNER TO {app}", "table app.leads"},
		{"GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO {app}", "grant function pg_catalog.pg_read_file(text)"},
	}
}

func TestEachDriftIsFoundAtTheNextLook(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := drifts()
	if len(all) < 30 {
		t.Errorf("%d drifts", len(all))
	}
	for nth, d := range all {
		if testing.Short() && nth%3 > 0 {
			continue
		}
		w.do(d[0])
		want := w.names.Replace(d[1])
		look := w.tick()
		drift := w.mine(look.Drift)
		named := slices.ContainsFunc(drift, func(x watch.Drift) bool { return strings.HasPrefix(x.Fact, want) })
		if !named || look.Error != "" || !look.Alarm() {
			t.Errorf("%s: got %v %s, want %s", d[0], drift, look.Error, want)
			continue
		}
		told := len(w.events)
		w.tick()
		if len(w.mineOf(w.events[told:])) > 0 {
			t.Errorf("%s is told twice: %v", d[0], w.events[told:])
		}
		w.accept()
		if look := w.tick(); len(w.mine(look.Drift)) > 0 {
			t.Fatalf("%s: once accepted, it is drift still: %v", d[0], look.Drift)
		}
	}
}

// mineOf are the events that tell something about this test's own.
func (w *world) mineOf(events []watch.Event) []watch.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e watch.Event) bool {
		told := e.Drift
		if e.Kind == "mended" {
			told = e.Mended // its Drift is what is left
		}
		return len(w.mine(told)) == 0 && e.Kind != "blind"
	})
}

// Ordinary traffic and announced migrations raise no alarm over minutes of looks each second.
func TestNoFalseAlarm(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestEachDriftIsFoundAtTheNextLook
	looks := pgtest.Rounds(t, "MOAT_TEST_LOOKS", 600, 160)
	w := newWorld(t)
	migrations, announced := 0, 0
	for i := range looks {
		switch {
		case i%100 == 50: // announced before, accepted within its time
			w.state.Announced = []watch.Announcement{{From: w.now, Until: w.now.Add(10 * time.Second), Reason: "release"}}
			w.do(fmt.Sprintf("ALTER TABLE app.leads ADD extra_%[1]d text", i))
			w.do(fmt.Sprintf("CREATE TABLE app.made_%[1]d (tenant_id uuid, id int)", i))
			migrations++
		case i%100 == 55:
			w.accept()
		case i%200 == 99: // accepted ahead: what staging shows already
			w.do("ALTER TABLE app.events ADD y int")
			w.accept()
			w.do("ALTER TABLE app.events DROP y")
			ahead := w.state
			w.accept()
			old := w.state
			w.watcher.States = func() ([]*watch.State, error) { return []*watch.State{old, ahead}, nil }
		case i%200 == 120:
			w.do("ALTER TABLE app.events ADD y int")
		case i%200 == 140:
			w.do("ALTER TABLE app.events DROP y")
			w.watcher.States = func() ([]*watch.State, error) { return []*watch.State{w.state}, nil }
		case i%7 == 0:
			w.do(w.traffic(i))
		}
		look := w.tick()
		if look.Error != "" || look.Announced == nil && len(w.mine(look.Drift)) > 0 {
			t.Fatalf("look %d is an alarm: %v %s", i, look.Drift, look.Error)
		}
		if look.Announced != nil && len(look.Drift) > 0 {
			announced++
		}
	}
	if migrations == 0 || announced < migrations {
		t.Errorf("%d looks were within the time of %d migrations", announced, migrations)
	}
}

// traffic is what an application does to a database all day.
func (w *world) traffic(i int) string {
	day := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i)
	const day1 = "2006-01-02"
	all := []string{
		fmt.Sprintf("INSERT INTO app.leads SELECT '11111111-1111-1111-1111-111111111111', g, 'x' FROM "+
			"generate_series(%d, %d) g", i*10, i*10+9),
		"UPDATE app.leads SET email = 'y'", "DELETE FROM app.leads WHERE id % 3 = 0", "ANALYZE app.leads", "VACUUM app.leads",
		"CREATE TEMP TABLE scratch (a int, b text)", "CREATE INDEX ON app.leads (email)", "REINDEX TABLE app.leads",
		"COMMENT ON TABLE app.leads IS 'comment'", "SELECT pg_catalog.lo_create(0)",
		fmt.Sprintf("CREATE TABLE app.events_%d PARTITION OF app.events FOR VALUES FROM ('%s') TO ('%s')", i+100,
			day.Format(day1), day.AddDate(0, 0, 1).Format(day1)),
	}
	return all[i/7%len(all)]
}

// An announcement that ends without an accepted state is an alarm.
func TestAnnouncementEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.tick()
	w.events = nil
	w.state.Announced = []watch.Announcement{{From: w.now, Until: w.now.Add(3 * time.Second)}}
	w.do("ALTER TABLE app.leads DISABLE ROW LEVEL SECURITY")
	if look := w.tick(); look.Alarm() || len(w.mine(look.Drift)) != 1 {
		t.Errorf("got %+v", look)
	}
	w.now = w.now.Add(3 * time.Second)
	if look := w.tick(); !look.Alarm() {
		t.Errorf("got %+v", look)
	}
	w.do("ALTER TABLE app.leads ENABLE ROW LEVEL SECURITY")
	w.tick()
	var kinds []string
	for _, e := range w.mineOf(w.events) {
		kinds = append(kinds, e.Kind)
	}
	if got := strings.Join(kinds, " "); !strings.HasPrefix(got, "announced drift") || !strings.HasSuffix(got, "mended") {
		t.Errorf("told %s", got)
	}
}

// What cannot be seen is never as accepted.
func TestBlindnessIsAnAlarm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	connect := w.watcher.Connect
	w.watcher.Connect = func(context.Context) (*pgx.Conn, error) { return nil, errors.New("nothing listens there") }
	for range 3 {
		if look := w.tick(); !look.Alarm() || look.Error == "" {
			t.Errorf("got %+v", look)
		}
	}
	w.watcher.Connect = connect
	w.tick()
	if len(w.events) < 2 || w.events[0].Kind != "blind" || w.events[1].Kind != "seeing" {
		t.Errorf("told %+v", w.events)
	}
	w.do("CREATE SCHEMA hidden; CREATE TABLE hidden.rows (id int); CREATE VIEW hidden.shown AS SELECT * FROM hidden.rows")
	app := w.As(t, w.names.Replace("{app}"))
	blinkered := watch.Watcher{States: w.watcher.States, Now: w.watcher.Now,
		Connect: func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, app) }}
	if look := blinkered.Look(t.Context()); !strings.Contains(look.Error, "hidden") || !look.Alarm() {
		t.Errorf("who cannot see a schema finds %+v", look)
	}
	w.watcher.States = func() ([]*watch.State, error) { _, err := watch.Read("nowhere.json"); return nil, err }
	if look := w.tick(); !look.Alarm() || !strings.Contains(look.Error, "no state") {
		t.Errorf("got %+v", look)
	}
}
