package protect

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/releases"
)

const twoTenants = `
CREATE TABLE tenants (id uuid PRIMARY KEY);
INSERT INTO tenants VALUES ('00000000-0000-0000-0000-000000000001'), ('00000000-0000-0000-0000-000000000002');
`

// long is a name as long as PostgreSQL lets one be.
const long = "a_table_with_a_name_as_long_as_postgres_lets_any_of_them_be__63"

// keySchemas are keys as teams make them. Each has to be applied in one go, leave
// nothing for a second, and be undone without a trace.
func keySchemas() map[string]struct{ schema, uniques string } {
	return map[string]struct{ schema, uniques string }{
		"the tenant in a column of another name": {schema: `
CREATE TABLE newer (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants);
CREATE TABLE older (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants);
CREATE TABLE action (id uuid PRIMARY KEY, "tenantId" uuid NOT NULL REFERENCES tenants, name text NOT NULL,
  UNIQUE ("tenantId", name));
CREATE TABLE step (id uuid PRIMARY KEY, "tenantId" uuid NOT NULL, name text,
  FOREIGN KEY (name, "tenantId") REFERENCES action (name, "tenantId") ON UPDATE CASCADE);
CREATE TABLE both_columns (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants, "tenantId" uuid NOT NULL,
  name text, FOREIGN KEY (name, "tenantId") REFERENCES action (name, "tenantId"));`},
		"the tenant among included columns": {uniques: "public.included.included_code_key", schema: `
CREATE TABLE included (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants, code text, at date,
  CONSTRAINT included_code_key UNIQUE (code) INCLUDE (tenant_id));
CREATE INDEX included_at ON included (at) INCLUDE (tenant_id);`},
		"uniques that foreign keys rest on": {uniques: "public.survey.survey_id_workspace_key public.survey.survey_slug_key",
			schema: `
CREATE TABLE workspace (id text PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants);
CREATE TABLE survey (id text PRIMARY KEY, workspace_id text NOT NULL REFERENCES workspace, slug text NOT NULL UNIQUE);
CREATE UNIQUE INDEX survey_id_workspace_key ON survey (id, workspace_id);
CREATE TABLE mapping (id text PRIMARY KEY, workspace_id text NOT NULL, survey_id text NOT NULL, slug text NOT NULL
  REFERENCES survey (slug), FOREIGN KEY (survey_id, workspace_id) REFERENCES survey (id, workspace_id));
CREATE TABLE answer (id text PRIMARY KEY, slug text NOT NULL CONSTRAINT by_slug REFERENCES survey (slug) DEFERRABLE);`},
		"a team's own unique indexes": {uniques: "public.b.b_code_key", schema: `
CREATE TABLE team_email (tenant_id uuid PRIMARY KEY REFERENCES tenants, email text);
CREATE UNIQUE INDEX team_email_tenant_id_key ON team_email (tenant_id);
CREATE TABLE b (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants, code text UNIQUE);
CREATE UNIQUE INDEX b_any_name ON b (tenant_id, id);
CREATE UNIQUE INDEX b_tenant_id_id_key ON b (tenant_id, id);
CREATE UNIQUE INDEX b_tenant_id_code_key ON b (tenant_id, code);
CREATE TABLE c (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants, b_id uuid REFERENCES b,
  CONSTRAINT c_of_tenant FOREIGN KEY (tenant_id, b_id) REFERENCES b (tenant_id, id));
COMMENT ON INDEX b_tenant_id_id_key IS 'ours';`},
		"names of 63 bytes": {uniques: "public." + long + ".unique_" + long[:56], schema: `
CREATE TABLE ` + long + ` (` + long[1:] + ` uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants,
  code text CONSTRAINT unique_` + long[:56] + ` UNIQUE);
CREATE TABLE "ärger_` + long[:56] + `" (id uuid PRIMARY KEY,
  "übermäßig_langer_spaltenname_der_auf_63_bytes_gekürzt_wird" uuid NOT NULL
    CONSTRAINT "schlüssel_` + long[:52] + `" REFERENCES ` + long + `);
CREATE UNIQUE INDEX index_items_on_plan_id_and_code_and_some_more_words_to_fill_63x ON ` + long + ` (code, ` +
			long[1:] + `) WHERE code <> '';
CREATE INDEX "i_` + long[:61] + `" ON ` + long + ` (code);`},
		"a unique index of a partitioned table": {uniques: "public.ev.ev_code_at", schema: `
CREATE TABLE ev (id bigint NOT NULL, tenant_id uuid NOT NULL REFERENCES tenants, code text NOT NULL, at date NOT NULL,
  PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE UNIQUE INDEX ev_code_at ON ev (code, at);
CREATE TABLE ev_1 PARTITION OF ev FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');`},
		"primary keys": {uniques: "public.hours.hours_pkey public.log.log_pkey", schema: `
CREATE TABLE hours (person text, day date, tenant_id uuid NOT NULL REFERENCES tenants, PRIMARY KEY (person, day));
COMMENT ON CONSTRAINT hours_pkey ON hours IS 'one a day';
CREATE TABLE log (code text, at date, tenant_id uuid REFERENCES tenants, PRIMARY KEY (code, at))
  PARTITION BY RANGE (at);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');`},
		"a key that names another tenant": {schema: `
CREATE TABLE settings (tenant_id uuid PRIMARY KEY REFERENCES tenants);
CREATE TABLE invites (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants, invited uuid NOT NULL
  REFERENCES settings (tenant_id));`},
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for name, c := range keySchemas() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pgtest.Full(t, "uniques that foreign keys rest on")
			b := newBench(t, twoTenants+c.schema)
			b.cfg.TenantLedUniques = strings.Fields(c.uniques)
			before := text(t, b.snapshot(t))
			b.apply(t, GroupGuards)
			if again := b.plan(t); !again.Empty() {
				t.Errorf("second plan: %s", show(again))
			}
			for _, full := range b.cfg.TenantLedUniques {
				if d := decision(b.plan(t), "unique/"+full); d != nil {
					t.Errorf("%s is still asked about: %s", full, d.Why)
				}
			}
			b.undo(t)
			if d := diff(before, text(t, b.snapshot(t))); d != "" {
				t.Errorf("undo left (- before, + after):\n%s", d)
			}
		})
	}
}

func decision(p *Plan, id string) *Decision {
	for i := range p.Decisions {
		if p.Decisions[i].ID == id {
			return &p.Decisions[i]
		}
	}
	return nil
}

// TestKeyNames keeps the names that an API embeds by and an application tells errors
// apart by: those of the keys that were replaced.
func TestKeyNames(t *testing.T) {
	t.Parallel()
	b := newBench(t, "CREATE SCHEMA app; SET search_path = app;"+twoTenants+`
CREATE TABLE addresses (id int PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants, code text CONSTRAINT one_code
  UNIQUE DEFERRABLE);
CREATE TABLE orders (id int NOT NULL, tenant_id uuid NOT NULL REFERENCES tenants, at date NOT NULL,
  billing_id int CONSTRAINT billing REFERENCES addresses, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE returns (id int PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants,
  address_id int REFERENCES addresses ON DELETE SET NULL);`)
	b.cfg.TenantLedUniques = []string{"app.addresses.one_code"}
	b.apply(t, GroupGuards)
	s := b.snapshot(t)
	for table, want := range map[string]string{"orders": "billing", "returns": "returns_address_id_fkey",
		"addresses": "one_code"} {
		k := relation(s, table).Constraint(want)
		if k == nil || !strings.Contains(k.Definition, "(tenant_id, ") {
			t.Errorf("%s of %s does not carry the tenant: %+v", want, table, k)
		}
	}
}

// A pattern means the keys that tell something. What a foreign key ties to the tenant stays
// as it is, and what a function of the database names in ON CONFLICT is asked about.
func TestTenantLedPattern(t *testing.T) {
	t.Parallel()
	b := newBench(t, "CREATE SCHEMA app; SET search_path = app;"+twoTenants+`
CREATE TABLE plan (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants, code text UNIQUE);
CREATE TABLE charge (id uuid PRIMARY KEY, tenant_id uuid NOT NULL REFERENCES tenants, plan_id uuid REFERENCES plan,
  place int, UNIQUE (plan_id, place));
CREATE TABLE slot (task int, turn int, tenant_id uuid NOT NULL REFERENCES tenants, PRIMARY KEY (task, turn));
CREATE FUNCTION fill_slot() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
  INSERT INTO slot VALUES (1, 1, NEW.tenant_id) ON CONFLICT (task, turn) DO NOTHING; RETURN NEW; END$$;`)
	b.cfg.TenantLedUniques = []string{"app.*"}
	b.apply(t, GroupGuards)
	s := b.snapshot(t)
	for name, table := range map[string]string{"plan_code_key": "plan", "charge_plan_id_place_key": "charge",
		"slot_pkey": "slot"} {
		k := relation(s, table).Constraint(name)
		if k == nil || strings.Contains(k.Definition, "(tenant_id, ") != (table == "plan") {
			t.Errorf("%s: %+v", name, k)
		}
	}
	again := b.plan(t)
	if d := decision(again, "unique/app.slot.slot_pkey"); d == nil || !strings.Contains(d.Why, "fill_slot") {
		t.Errorf("the key that a function names: %+v", d)
	}
	d := decision(again, "unique/app.charge.charge_plan_id_place_key")
	if asked := d != nil; asked != releases.UpsertFixed().Open(b.read.Version) {
		t.Errorf("a key that is tied to its tenant is asked about on %d: %v", b.read.Version, asked)
	}
}
