package audit_test

import (
	"testing"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/audit/audittest"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/tenancy"
)

// A table that the configuration leaves out is named as long as the application can
// reach it.
func TestIgnoredTables(t *testing.T) {
	t.Parallel()
	f := audittest.Controls(t)[0].Setup(t, pgtest.Shared(t))
	f.Exec(t, f.Expand(`create table app.outbox (id int primary key, payload text);
		create table app.schema_migrations (version bigint primary key, dirty boolean not null);
		grant select on app.outbox, app.schema_migrations to {{app}}`))
	o := tenancy.Options{Roles: []string{f.App}, Ignored: []catalog.QName{{Schema: "app", Name: "outbox"}}}
	named := func() (objects []string) {
		for _, x := range runAs(t, f.Admin(t), o, f.Owner).Findings {
			if x.Rule == "rls-ignored" && x.Severity == audit.Low {
				objects = append(objects, x.Object)
			}
		}
		return objects
	}
	if got := named(); len(got) != 1 || got[0] != "app.outbox" {
		t.Errorf("readable: %q", got)
	}
	f.Exec(t, f.Expand("revoke all on app.outbox from {{app}}"))
	if got := named(); len(got) != 0 {
		t.Errorf("out of reach: %q", got)
	}
	f.Exec(t, "create function app.outbox_size() returns bigint language sql security definer set search_path = '' as "+
		"'select count(*) from app.outbox'")
	if got := named(); len(got) != 1 || got[0] != "app.outbox" {
		t.Errorf("through a definer's function: %q", got)
	}
}
