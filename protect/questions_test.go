package protect

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

const withTenants = `
CREATE TABLE tenants (id uuid PRIMARY KEY, name text, parent_id uuid REFERENCES tenants);
INSERT INTO tenants SELECT ('00000000-0000-0000-0000-00000000000' || i)::uuid, 'T' || i FROM generate_series(1, 3) i;
UPDATE tenants SET parent_id = '00000000-0000-0000-0000-000000000001' WHERE name <> 'T1';
CREATE TABLE doc (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id uuid NOT NULL REFERENCES tenants, body text);
INSERT INTO doc (tenant_id) SELECT id FROM tenants;
`

// questions are what a database holds that group enforce must not run over, each with the
// key of moat.yaml that answers it; what the application sees of it is asked of the role.
func questions() map[string]struct {
	schema string
	answer func(*Config, *bench)
} {
	shared := func(name string) func(*Config, *bench) {
		return func(_ *Config, b *bench) {
			b.opts.Shared = append(b.opts.Shared, catalog.QName{Schema: "public", Name: name})
		}
	}
	ignored := func(name string) func(*Config, *bench) {
		return func(_ *Config, b *bench) {
			b.opts.Ignored = append(b.opts.Ignored, catalog.QName{Schema: "public", Name: name})
		}
	}
	return map[string]struct {
		schema string
		answer func(*Config, *bench)
	}{
		"class/public.colours": {"CREATE TABLE colours (id int PRIMARY KEY)", shared("colours")},
		"path/public.share": {`CREATE TABLE share (doc_id uuid NOT NULL REFERENCES doc,
			shared_with uuid NOT NULL REFERENCES tenants)`,
			func(_ *Config, b *bench) {
				name := func(s string) catalog.QName { return catalog.QName{Schema: "public", Name: s} }
				b.opts.Shapes.Shares = []catalog.Shares{{Table: name("doc"), Through: name("share"), With: "shared_with"}}
			}},
		"shape/public.referral": {`CREATE TABLE referral (id int PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants,
			by_tenant uuid REFERENCES tenants)`,
			func(c *Config, _ *bench) { c.OneTenant = append(c.OneTenant, "public.referral") }},
		"rows/null/public.job": {`CREATE TABLE job (id int PRIMARY KEY, tenant_id uuid REFERENCES tenants);
			INSERT INTO job VALUES (1, NULL)`, func(c *Config, _ *bench) { c.Hidden = []string{"public.job"} }},
		"rows/stray/public.job": {`CREATE TABLE job (id int PRIMARY KEY, tenant_id uuid NOT NULL);
			INSERT INTO job VALUES (1, gen_random_uuid())`, func(c *Config, _ *bench) { c.Hidden = []string{"public.job"} }},
		"rows/crossing/public.bid/bid_doc_id_fkey": {`CREATE TABLE bid (id int PRIMARY KEY,
			tenant_id uuid NOT NULL REFERENCES tenants, doc_id uuid REFERENCES doc);
			INSERT INTO bid SELECT 1, t.id, d.id FROM tenants t, doc d WHERE t.id <> d.tenant_id LIMIT 1`,
			func(c *Config, _ *bench) { c.Crossing = []string{"public.bid.bid_doc_id_fkey"} }},
		"wall/public.doc": {`ALTER TABLE doc ENABLE ROW LEVEL SECURITY;
			CREATE POLICY tree ON doc USING (tenant_id IN (SELECT id FROM tenants WHERE
				nullif(current_setting('app.current_tenant', true), '')::uuid IN (id, parent_id)))`,
			func(c *Config, _ *bench) { c.Narrowed = []string{"public.doc"} }},
		"access/public.doc": {`CREATE POLICY readable ON doc FOR SELECT USING (tenant_id =
				nullif(current_setting('app.current_tenant', true), '')::uuid)`,
			func(c *Config, _ *bench) { c.Opened = []string{"public.doc"} }},
		"trigger/public.doc/keep": {`CREATE TABLE history (id bigserial PRIMARY KEY, body text);
			CREATE FUNCTION keep_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO history (body)
				VALUES (NEW.body); RETURN NEW; END $$;
			CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO history (body)
				VALUES (NEW.body); RETURN NEW; END $$;
			CREATE TRIGGER keep AFTER INSERT ON doc FOR EACH ROW EXECUTE FUNCTION keep()`, ignored("history")},
		"trigger/public.doc/dynamic": {`CREATE FUNCTION dynamic() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
				EXECUTE 'INSERT INTO ' || TG_ARGV[0] || ' VALUES (1)'; RETURN NEW; END $$;
			CREATE TRIGGER dynamic AFTER UPDATE ON doc FOR EACH ROW EXECUTE FUNCTION dynamic('log')`,
			func(c *Config, _ *bench) { c.Triggers = []string{"public.dynamic"} }},
		"fill/public.note/no": {`CREATE TABLE note (id int PRIMARY KEY, doc_id uuid NOT NULL REFERENCES doc);
			CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no update'; END $$;
			CREATE TRIGGER no BEFORE UPDATE ON note FOR EACH ROW EXECUTE FUNCTION no();
			ALTER TABLE note ENABLE ALWAYS TRIGGER no`,
			func(c *Config, _ *bench) { c.Triggers = []string{"public.no"} }},
		"default/public.doc": {"ALTER TABLE doc ALTER tenant_id SET DEFAULT '00000000-0000-0000-0000-000000000001'",
			func(c *Config, _ *bench) { c.ReplaceDefaults = true }},
		"owner/public.doc": {"ALTER TABLE doc OWNER TO APP", func(c *Config, _ *bench) { c.ChangeOwner = true }},
		"owner/schema/other": {"CREATE SCHEMA other AUTHORIZATION APP",
			func(c *Config, _ *bench) { c.ChangeOwner = true }},
		"owner/database/NAME":     {"ALTER DATABASE NAME OWNER TO APP", func(c *Config, _ *bench) { c.ChangeOwner = true }},
		"member/pg_read_all_data": {"GRANT pg_read_all_data TO APP", func(c *Config, _ *bench) { c.LeaveRoles = true }},
		"connect/OTHER": {"GRANT SELECT ON doc TO OTHER",
			func(c *Config, b *bench) { c.Retired = []string{"other" + b.suffix} }},
	}
}

// Nothing of a plan runs that goes on to enforce while a question is open; its key answers
// it, and then the application reads and writes its rows.
func TestNoEnforceOverAnOpenQuestion(t *testing.T) {
	t.Parallel()
	all := questions()
	for nth, id := range slices.Sorted(maps.Keys(all)) {
		q := all[id]
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			if nth%6 > 0 {
				pgtest.Full(t, "class/public.colours", "rows/stray/public.job")
			}
			b := newBench(t, "")
			b.cfg.OneTenant = []string{"public.tenants"}
			app, other := b.cfg.Roles.Application, "other"+b.suffix
			for _, role := range []string{app, other} {
				b.Adopt(role)
				b.Exec(t, "CREATE ROLE "+role+" LOGIN")
			}
			names := strings.NewReplacer("APP", app, "OTHER", other, "NAME", b.Name)
			b.Exec(t, withTenants+names.Replace(q.schema))
			before := text(t, b.snapshot(t))
			plan := b.plan(t)
			asked := slices.ContainsFunc(plan.Open(), func(d Decision) bool { return d.ID == names.Replace(id) })
			_, err := Apply(t.Context(), b.open, plan, ApplyOptions{Until: GroupGuards})
			if open := new(OpenError); !asked || !errors.As(err, &open) {
				t.Fatalf("asked %v, apply: %v", decisionIDs(plan), err)
			}
			if d := diff(before, text(t, b.snapshot(t))); d != "" {
				t.Errorf("refused, and yet (- before, + after):\n%s", d)
			}
			pgtest.Full(t, "class/public.colours", "rows/stray/public.job")
			q.answer(&b.cfg, b)
			if open := b.plan(t).Open(); len(open) > 0 {
				t.Fatalf("answered, and yet %+v", open)
			}
			if _, err := Apply(t.Context(), b.open, b.plan(t), ApplyOptions{Until: GroupGuards}); err != nil {
				t.Fatal(err)
			}
			b.writesItsOwn(t)
			if again := b.plan(t); !again.Empty() {
				t.Errorf("second plan: %s", show(again))
			}
			b.undo(t)
			if d := diff(before, text(t, b.snapshot(t))); d != "" {
				t.Errorf("undo left (- before, + after):\n%s", d)
			}
		})
	}
}

// writesItsOwn asserts that the application role writes and reads its tenant's rows.
func (b *bench) writesItsOwn(t *testing.T) {
	t.Helper()
	conn := b.Conn(t, b.As(t, b.cfg.Roles.Application))
	if _, err := conn.Exec(t.Context(), `SET app.current_tenant = '00000000-0000-0000-0000-000000000002';
		INSERT INTO doc (body) VALUES ('new')`); err != nil {
		t.Fatal(err)
	}
	var own, others int
	err := conn.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE tenant_id::text LIKE '%2'),
		count(*) FILTER (WHERE tenant_id::text NOT LIKE '%2') FROM doc`).Scan(&own, &others)
	if err != nil || own != 2 || others != 0 {
		t.Errorf("the application sees %d own rows, %d of others: %v", own, others, err)
	}
}

// The question about a wall says what the tenants of the table see before and behind it.
func TestWallSaysWhatItHides(t *testing.T) {
	t.Parallel()
	b := newBench(t, withTenants+questions()["wall/public.doc"].schema)
	d := decision(b.plan(t), "wall/public.doc")
	const hidden = "tenant 00000000-0000-0000-0000-000000000001 sees 3 rows today and 1 behind it"
	if d == nil || !strings.Contains(d.Why, hidden) ||
		!strings.Contains(d.Config, "tenant: {parent: parent_id}") {
		t.Errorf("question: %+v", d)
	}
}

// A restrictive policy that binds rows to more than one tenant is named with the permissive
// one that shows them.
func TestWallNamesWhatBindsTheRows(t *testing.T) {
	t.Parallel()
	b := newBench(t, withTenants+`CREATE FUNCTION below() RETURNS SETOF uuid LANGUAGE sql STABLE SECURITY DEFINER
			SET search_path = pg_catalog, pg_temp AS $$ SELECT id FROM public.tenants
			WHERE nullif(current_setting('app.current_tenant', true), '')::uuid IN (id, parent_id) $$;
		CREATE POLICY tree ON doc AS RESTRICTIVE USING (tenant_id = ANY (ARRAY(SELECT below())));
		CREATE POLICY access ON doc USING (true)`)
	d := decision(b.plan(t), "wall/public.doc")
	if d == nil || !strings.Contains(d.Question, "tree") || !strings.Contains(d.Why, "sees 3 rows today and 1 behind it") {
		t.Errorf("question: %+v", d)
	}
}

// A question that was accepted is reopened when its object changes.
func TestChangedObjectReopens(t *testing.T) {
	t.Parallel()
	b := newBench(t, withTenants+"CREATE TABLE colours (id int PRIMARY KEY)")
	open := b.plan(t).Open()
	b.accept(t, b.read, open)
	if open := b.plan(t).Open(); len(open) > 0 {
		t.Errorf("accepted, and yet %+v", open)
	}
	b.Exec(t, "ALTER TABLE colours ADD COLUMN tenant_name text")
	plan := b.plan(t)
	if len(plan.Open()) != 1 || len(plan.Reopened) != 1 {
		t.Errorf("changed, and yet %+v, %v", plan.Open(), plan.Reopened)
	}
}

// Rows that come between the plan and its steps stop it before group enforce.
func TestRowsThatComeLaterStopEnforce(t *testing.T) {
	t.Parallel()
	b := newBench(t, withTenants+"CREATE TABLE job (id int PRIMARY KEY, tenant_id uuid REFERENCES tenants)")
	b.cfg.OneTenant = []string{"public.tenants"}
	plan := b.plan(t)
	b.Exec(t, "INSERT INTO job VALUES (1, NULL)")
	res, err := Apply(t.Context(), b.open, plan, ApplyOptions{Until: GroupGuards})
	if err != nil || len(res.Stopped) != 1 || slices.ContainsFunc(res.Applied, func(id string) bool {
		return strings.HasPrefix(id, string(GroupEnforce))
	}) {
		t.Errorf("%+v, %v", res, err)
	}
}

// What is offered in place of an inexact tenant column makes it exact.
func TestInexactTypesAreMended(t *testing.T) {
	t.Parallel()
	for typ, want := range map[string]string{"citext": "text", "character(4)": "text", "numeric": "bigint",
		"text COLLATE loose": "text"} {
		t.Run(typ, func(t *testing.T) {
			t.Parallel()
			pgtest.Full(t, "numeric")
			b := newBench(t, strings.ReplaceAll(`CREATE EXTENSION citext;
				CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
				CREATE TABLE tenants (id TYPE PRIMARY KEY); INSERT INTO tenants VALUES ('1'), ('2');
				CREATE TABLE pages (id int PRIMARY KEY, tenant_id TYPE NOT NULL REFERENCES tenants);
				INSERT INTO pages VALUES (1, '1')`, "TYPE", typ))
			plan := b.plan(t)
			d := decision(plan, "type/public.pages")
			if d == nil || !d.Blocks {
				t.Fatalf("not asked: %v", decisionIDs(plan))
			}
			b.Exec(t, strings.Join(d.SQL, ";"))
			got := map[string]string{}
			conn, err := b.open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.Background())
			v, err := catalog.Load(t.Context(), conn)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range v.Relations {
				for _, c := range r.Columns {
					if r.Name == "tenants" || c.Name == "tenant_id" {
						got[r.Name] = c.Type
					}
				}
			}
			if d := cmp.Diff(map[string]string{"tenants": want, "pages": want}, got); d != "" {
				t.Errorf("types (-want +got):\n%s", d)
			}
			if open := b.plan(t).Open(); len(open) > 0 {
				t.Errorf("mended, and yet %+v", open)
			}
		})
	}
}

// A trigger that writes where the application role may not is offered to run as the definer, whom
// no policy binds; not if it, or what it calls, uses tenants' tables as well.
func TestDefinerIsForNobodysTablesAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t, withTenants+`CREATE TABLE history (id bigserial PRIMARY KEY, body text UNIQUE);
		CREATE FUNCTION counted() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM doc';
		CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO history (body)
			VALUES (NEW.body) ON CONFLICT DO NOTHING; RETURN NEW; END $$;
		CREATE FUNCTION mixed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO history (body)
			VALUES (NEW.body || counted()) ON CONFLICT DO NOTHING; RETURN NEW; END $$;
		CREATE TRIGGER keep AFTER INSERT ON doc FOR EACH ROW EXECUTE FUNCTION keep();
		CREATE TRIGGER mixed AFTER INSERT ON doc FOR EACH ROW EXECUTE FUNCTION mixed()`)
	b.opts.Ignored = []catalog.QName{{Schema: "public", Name: "history"}}
	offered := map[string]int{}
	for _, d := range b.plan(t).Open() {
		offered[d.Object] = len(d.SQL)
		if d.Object == "mixed" && !strings.Contains(d.Why, "It uses public.doc as well") {
			t.Error(d.Why)
		}
	}
	if n, asked := offered["mixed"]; offered["keep"] != 3 || n != 0 || !asked {
		t.Errorf("statements offered: %v", offered)
	}
}
