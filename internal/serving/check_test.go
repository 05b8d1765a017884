package serving

import (
	"errors"
	"strings"
	"testing"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/policy"
)

func TestVerdict(t *testing.T) {
	t.Parallel()
	admin, none := "admin", ""
	tests := []struct {
		name        string
		verdict     Verdict
		admit, look error
		role        string
	}{
		{"nothing is known", Verdict{}, ErrUnknownTenant, ErrUnknownTenant, ""},
		{"unknown, and a member all the same", Verdict{Member: true}, ErrUnknownTenant, ErrUnknownTenant, ""},
		{"suspended", Verdict{Known: true, Suspended: true, Member: true}, ErrSuspended, nil, ""},
		{"suspended and no member", Verdict{Known: true, Suspended: true}, ErrNotMember, ErrNotMember, ""},
		{"no member", Verdict{Known: true}, ErrNotMember, ErrNotMember, ""},
		{"the token's role", Verdict{Known: true, Member: true}, nil, nil, "viewer"},
		{"the membership's role", Verdict{Known: true, Member: true, Role: &admin}, nil, nil, "admin"},
		{"a membership without one", Verdict{Known: true, Member: true, Role: &none}, nil, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			scope, err := tt.verdict.Admit(moat.Scope{Tenant: "a", Subject: "s", Role: "viewer"})
			if !errors.Is(err, tt.admit) || scope.Role != tt.role || (err == nil) != (scope.Tenant == "a") {
				t.Errorf("admit: %+v, %v", scope, err)
			}
			scope, err = tt.verdict.Look(moat.Scope{Tenant: "a", Subject: "s", Role: "viewer"})
			if !errors.Is(err, tt.look) || tt.admit == nil && scope.Role != tt.role {
				t.Errorf("look through a member's eyes: %+v, %v", scope, err)
			}
			if _, err := tt.verdict.Look(moat.Scope{Tenant: "a"}); err == nil != tt.verdict.Known {
				t.Errorf("look: %v", err)
			}
		})
	}
}

// exposure is that of the role app over one schema.
func exposure(change func(*catalog.Snapshot, *catalog.Model), relations ...catalog.Relation) *Exposure {
	s := &catalog.Snapshot{User: "app", Relations: relations,
		Roles:   []catalog.Role{{Name: "app"}, {Name: "owner"}, {Name: "super", Super: true}, {Name: "reader"}},
		Schemas: []catalog.Schema{{Name: "app", Owner: "owner", Privileges: grants("USAGE")}}}
	m := &catalog.Model{Column: "tenant_id", Type: "uuid", Key: "id",
		Tenants: catalog.QName{Schema: "app", Name: "tenants"}}
	if change != nil {
		change(s, m)
	}
	return Expose(policy.NewView(catalog.NewLookup(s, m)))
}

func grants(names ...string) (all []catalog.Privilege) {
	for _, name := range names {
		all = append(all, catalog.Privilege{Grantee: "app", Name: name})
	}
	return all
}

// relation is a table of owner with columns written as "name type".
func relation(name string, privileges []catalog.Privilege, columns ...string) catalog.Relation {
	r := catalog.Relation{Schema: "app", Name: name, Kind: catalog.Table, Owner: "owner", RLS: true, ForceRLS: true,
		Privileges: privileges}
	for _, c := range columns {
		name, kind, _ := strings.Cut(c, " ")
		r.Columns = append(r.Columns, catalog.Column{Name: name, Type: kind})
	}
	return r
}

func TestSuspension(t *testing.T) {
	t.Parallel()
	types := func(s *catalog.Snapshot, _ *catalog.Model) {
		s.Types = []catalog.Type{{Schema: "app", Name: "state", Kind: "enum", Labels: []string{"active"}}}
		for name, base := range map[string]string{
			"outer": "app.inner", "inner": "character varying(9)", "flag": "boolean", "named": "app.state",
		} {
			s.Types = append(s.Types, catalog.Type{Schema: "app", Name: name, Kind: "domain", Base: base})
		}
	}
	word := func(c string) string {
		return "coalesce(lower(" + c + "::text) in ('suspended', 'disabled', 'deleted'), false)"
	}
	for columns, want := range map[string]struct{ column, sql, set string }{
		"":                                  {"", "false", ""},
		"suspended boolean":                 {"", "suspended is true", "true"},
		"suspended app.flag":                {"", "suspended is true", "true"},
		"suspended_at date":                 {"", "suspended_at is not null", "now()"},
		"deleted_at timestamp(3)":           {"", "deleted_at is not null", "now()"},
		"status text":                       {"", word("status"), ""},
		"status character varying(20)":      {"", word("status"), ""},
		"status character(20)":              {"", word("status"), ""},
		"status public.citext":              {"", word("status"), ""},
		"status app.state":                  {"", word("status"), ""},
		"status app.outer":                  {"", word("status"), ""},
		"status app.named":                  {"", word("status"), ""},
		"status text,deleted_at date":       {"", "deleted_at is not null", "now()"},
		"deleted_at date,suspended boolean": {"", "suspended is true", "true"},
		"suspended boolean,Gone date":       {"Gone", `"Gone" is not null`, "now()"},
	} {
		all := []string{"id uuid"}
		if columns != "" {
			all = append(all, strings.Split(columns, ",")...)
		}
		tenants, err := exposure(types, relation("tenants", grants("SELECT"), all...)).Tenants(want.column)
		if err != nil {
			t.Fatal(err)
		}
		set, ok := tenants.Suspension.Set(true)
		if got := tenants.Suspension.SQL(); got != want.sql || set != want.set || ok != (want.set != "") {
			t.Errorf("%q: %s, set %q", columns, got, set)
		}
	}
}

// What is asked, and that nothing that was asked for is left out without a word.
func TestCheck(t *testing.T) {
	t.Parallel()
	members := Membership{Table: catalog.QName{Schema: "app", Name: "members"}, Role: "role"}
	tenants := relation("tenants", grants("SELECT"), "id character varying(3)", "name text", "suspended boolean")
	staff := relation("members", grants("SELECT"), "subject uuid", "tenant_id uuid", "role text")
	const known = "select suspended is true, coalesce(name::text, '') from app.tenants where id = $1::character varying"
	const member = "select role::text from app.members where subject::text = $1 and $1 <> '' and tenant_id = $2::uuid"
	narrow := tenants
	narrow.Privileges, narrow.Columns = nil, []catalog.Column{tenants.Columns[0], tenants.Columns[1], tenants.Columns[2]}
	narrow.Columns[0].Privileges = grants("SELECT")
	closed := func(s *catalog.Snapshot, _ *catalog.Model) { s.Schemas[0].Privileges = nil }
	asks := func(a Admission) Admission { a.Membership = members; return a }
	type wanted struct {
		tenant, member string
		hasRole        bool
	}
	tests := []struct {
		name      string
		exposure  *Exposure
		admission Admission
		want      wanted // or
		wrong     string
	}{
		{"tenants", exposure(nil, tenants), Admission{}, wanted{tenant: known}, ""},
		{"members", exposure(nil, tenants, staff), asks(Admission{}),
			wanted{tenant: known, member: member, hasRole: true}, ""},
		{"the key alone may be read", exposure(nil, narrow), Admission{},
			wanted{tenant: "select false, '' from app.tenants where id = $1::character varying"}, ""},
		{"no tenants table", exposure(nil), Admission{}, wanted{}, ""},
		{"tenants that may not be read", exposure(nil, relation("tenants", nil, "id uuid")), Admission{}, wanted{}, ""},
		{"a schema that may not be used", exposure(closed, tenants), Admission{}, wanted{}, ""},
		{"a misspelt column", exposure(nil, tenants), Admission{SuspendedColumn: "suspend"},
			wanted{}, "suspended column suspend"},
		{"a column that may not be read", exposure(nil, narrow), Admission{SuspendedColumn: "suspended"},
			wanted{}, "may not read it"},
		{"a column of no table", exposure(nil), Admission{SuspendedColumn: "suspended"}, wanted{}, "no tenants table"},
		{"members that are not there", exposure(nil, tenants), asks(Admission{}), wanted{}, "no table app.members"},
		{"members that may not be read", exposure(nil, relation("members", grants("INSERT"), "subject text")),
			asks(Admission{}), wanted{}, "no table app.members"},
		{"members without a role", exposure(nil, relation("members", grants("SELECT"), "subject text", "tenant_id uuid")),
			asks(Admission{}), wanted{}, "no column role"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := newCheck(tt.exposure, tt.admission)
			if tt.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wrong) {
					t.Errorf("got %v, want %q", err, tt.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			q, _ := c.of(Caller{})
			if got := (wanted{q.tenant.sql, q.member.sql, c.hasRole}); got != tt.want {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
			if guard := c.Guard(Caller{}).SQL; (guard != "") != (tt.want.tenant+tt.want.member != "") {
				t.Errorf("guard: %q", guard)
			}
		})
	}
}
