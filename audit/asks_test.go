package audit_test

import (
	"strings"
	"testing"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/audit/audittest"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

// asks are bodies of a definer function in PL/pgSQL over account a: what audit has to say of
// each. A check counts only where it comes first, ends the function, says something of the
// account that is read, and does not let NULL pass.
var asks = []struct {
	body string
	want audit.Severity
}{
	{"begin if not app.mine(a) then raise exception 'no'; end if; return query R where c.tenant_id = a; end", ""},
	{"begin if app.mine(a) is not true then return; end if; return query R where c.tenant_id = a; end", ""},
	{"begin if app.mine(a) then return query R where c.tenant_id = a; end if; end", ""},
	{"begin if app.mine(a) then null; else raise exception 'no'; end if; return query R where c.tenant_id = a; end", ""},
	{"declare r text; begin select m.role into r from app.member m where m.user_id = app.me() and m.tenant_id = a; " +
		"if r is distinct from 'owner' then raise exception 'no'; end if; return query R where c.tenant_id = a; end", ""},
	{"declare ok boolean; begin select app.mine(a) into ok; if not ok then raise exception 'no'; end if; " +
		"return query R where c.tenant_id = a; end", ""},
	{"begin perform app.must(a); return query R where c.tenant_id = a; end", ""},
	{"begin if (select app.must(a) <> 'owner') then raise exception 'no'; end if; return query R where c.tenant_id = a; " +
		"end", ""},
	{"begin return query R where c.tenant_id in (select m.tenant_id from app.member m where m.user_id = app.me()); end",
		""},
	{"begin return query R where exists (select 1 from app.member m where m.user_id = app.me() and m.tenant_id = " +
		"c.tenant_id); end", ""},
	{"declare me uuid := app.me(); begin return query R where c.tenant_id in (select m.tenant_id from app.member m " +
		"where m.user_id = me); end", ""},
	{"begin return query R where c.token = b; end", audit.Low},

	{"declare me uuid = app.me(); begin if me is null then raise exception 'login'; end if; " +
		"return query R where c.tenant_id = a; end", audit.High},
	{"begin return query R where c.tenant_id = a; end", audit.Critical},
	{"begin return query R where c.body = b; end", audit.Critical},
	{"begin return query R where c.tenant_id = a; if not app.mine(a) then raise exception 'no'; end if; end", audit.High},
	{"begin if app.me() is null then raise exception 'login'; end if; return query R where c.tenant_id = a; end",
		audit.High},
	{"declare r text; begin select m.role into r from app.member m where m.user_id = app.me() and m.tenant_id = a; " +
		"if r <> 'owner' then raise exception 'no'; end if; return query R where c.tenant_id = a; end", audit.High},
	{"begin if b = 'x' then if not app.mine(a) then raise exception 'no'; end if; end if; " +
		"return query R where c.tenant_id = a; end", audit.High},
	{"begin raise notice '%', app.me(); return query R where c.tenant_id = a; end", audit.High},
	{"begin begin if not app.mine(a) then raise exception 'no'; end if; exception when others then null; end; " +
		"return query R where c.tenant_id = a; end", audit.High},
	{"begin if not app.mine(a) then raise warning 'no'; end if; return query R where c.tenant_id = a; end", audit.High},
	{"begin return query R where c.tenant_id = a and exists (select 1 from app.member m where m.user_id = app.me()); end",
		audit.High},
	{"begin if not app.mine(o) then raise exception 'no'; end if; return query R where c.tenant_id = a; end", audit.High},
	{"begin if not app.mine(a) and b is null then raise exception 'no'; end if; return query R where c.tenant_id = a; end",
		audit.High},
	{"begin if app.mine(a) or b is null then return query R where c.tenant_id = a; end if; end", audit.High},
	{"begin perform app.must(a) where b is null; return query R where c.tenant_id = a; end", audit.High},
	{"begin return query R where app.me() is not null; end", audit.High},
	{"begin return query R where c.tenant_id = a and app.me() is not null; end", audit.High},
	{"begin return query R where c.token = b or app.me() is null; end", audit.High},
	{"begin return query R where c.tenant_id in (select m.tenant_id from app.member m where m.user_id = app.me()) " +
		"or b is null; end", audit.High},
}

func TestChecksInDefiners(t *testing.T) {
	t.Parallel()
	f := audittest.Controls(t)[0].Setup(t, pgtest.Shared(t))
	f.Exec(t, f.Expand(`
		create table app.member (tenant_id uuid not null, user_id uuid not null, role text, primary key (tenant_id, user_id));
		create table app.card (tenant_id uuid not null, token text, body text);
		create function app.me() returns uuid language sql stable as
			$$ select nullif(current_setting('app.subject', true), '')::uuid $$;
		create function app.mine(a uuid) returns boolean language sql stable security definer
			set search_path = pg_catalog, pg_temp as $$ select exists (select 1 from app.member m
			where m.user_id = app.me() and m.tenant_id = a) $$;
		create function app.must(a uuid) returns text language plpgsql stable set search_path = pg_catalog, pg_temp as
			$$ declare r text; begin select m.role into r from app.member m where m.user_id = app.me() and m.tenant_id = a;
			if r is null then raise exception 'no'; end if; return r; end $$;
		grant select on app.card to {{app}};
		create policy iso on app.card as restrictive using (tenant_id in
			(select m.tenant_id from app.member m where m.user_id = app.me()));
		create policy access on app.card to {{app}} using (true);
		alter table app.card enable row level security; alter table app.card force row level security`))
	for i, c := range asks {
		if testing.Short() && i%3 != 0 {
			continue
		}
		f.Exec(t, `drop function if exists app.f; create function app.f(a uuid, b text, o uuid) returns setof app.card
			language plpgsql security definer set search_path = pg_catalog, pg_temp as $b$ `+
			strings.ReplaceAll(c.body, "query R", "query select c.* from app.card c")+` $b$`)
		var found audit.Severity
		for _, x := range run(t, f).Findings {
			if x.Rule == "func-definer-bypass" && strings.HasPrefix(x.Object, "app.f(") {
				found = x.Severity
			}
		}
		if found != c.want {
			t.Errorf("%s: %q, want %q", c.body, found, c.want)
		}
	}
}

// Whoever may add rows to the table of tenants makes a tenant; to any other, rows of others.
func TestWhoAddsTenants(t *testing.T) {
	t.Parallel()
	f := audittest.Controls(t)[0].Setup(t, pgtest.Shared(t))
	f.Exec(t, f.Expand(`
		create table app.firm (id uuid primary key, name text);
		create table app.bill (firm_id uuid not null references app.firm, id uuid primary key);
		create table app.note (firm_id uuid not null references app.firm, id uuid primary key);
		grant select, insert on app.firm, app.bill, app.note to {{app}};
		create policy seen on app.firm for select using (id = nullif(current_setting('app.firm', true), '')::uuid);
		create policy made on app.firm for insert with check (true);
		create policy seen on app.bill for select using (firm_id = nullif(current_setting('app.firm', true), '')::uuid);
		create policy made on app.bill for insert with check (true);
		create policy iso on app.note using (firm_id = nullif(current_setting('app.firm', true), '')::uuid);
		alter table app.firm enable row level security; alter table app.firm force row level security;
		alter table app.bill enable row level security; alter table app.bill force row level security;
		alter table app.note enable row level security; alter table app.note force row level security`))
	r := runAs(t, f.Admin(t), tenancy.Options{Column: "firm_id", Setting: "app.firm",
		Tenants: catalog.QName{Schema: "app", Name: "firm"}, Roles: []string{f.App}}, f.Owner)
	var got []string
	for _, x := range r.Findings {
		if x.Rule == "policy-check" {
			got = append(got, x.Object)
		}
	}
	if len(got) != 1 || got[0] != "app.bill.made" {
		t.Errorf("policy-check on %v, want app.bill.made alone", got)
	}
}
