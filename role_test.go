package moat_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/moat-db/moat"
)

func TestOpenRefusesUnsafeRoles(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		attributes string
		setup      func(f *fixture, role string) string
		reason     string
	}{
		"superuser":   {"LOGIN SUPERUSER", nil, "is a superuser"},
		"bypassrls":   {"LOGIN BYPASSRLS", nil, "has BYPASSRLS"},
		"replication": {"LOGIN REPLICATION", nil, "REPLICATION"},
		"owner": {"LOGIN", func(_ *fixture, r string) string { return "alter table leads owner to " + r },
			"owns tables"},
		"member of owner":  {"LOGIN", memberOf("NOLOGIN", "alter table leads owner to %s"), "which owns tables"},
		"noinherit member": {"LOGIN NOINHERIT", memberOf("NOLOGIN", "alter table leads owner to %s"), "which owns tables"},
		"member of bypass": {"LOGIN", memberOf("NOLOGIN BYPASSRLS", ""), "which has BYPASSRLS"},
		"member of super":  {"LOGIN", memberOf("NOLOGIN SUPERUSER", ""), "a superuser"},
		"member by chain":  {"LOGIN", memberOfMember, "which has BYPASSRLS"},
		"server files": {"LOGIN", func(_ *fixture, r string) string { return "grant pg_read_server_files to " + r },
			"server's files"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := newLeads(t)
			role := f.Database.Role(t, "unsafe", c.attributes)
			if c.setup != nil {
				f.Exec(t, c.setup(f, role))
			}
			db, err := moat.Open(context.Background(), f.As(t, role), nil)
			if err == nil {
				db.Close()
				t.Fatal("the role was accepted")
			}
			var unsafe *moat.UnsafeRoleError
			if !errors.As(err, &unsafe) || unsafe.Role != role || !strings.Contains(err.Error(), c.reason) {
				t.Fatalf("error %q, want an UnsafeRoleError saying %q", err, c.reason)
			}
		})
	}
}

func memberOf(attributes, grant string) func(f *fixture, role string) string {
	return func(f *fixture, role string) string {
		group := fmt.Sprintf("%s_group", role)
		f.Adopt(group)
		sql := fmt.Sprintf("create role %s %s; grant %s to %s;", group, attributes, group, role)
		if grant != "" {
			sql += fmt.Sprintf(grant, group)
		}
		return sql
	}
}

func memberOfMember(f *fixture, role string) string {
	f.Adopt(role + "_far")
	return memberOf("NOLOGIN", "create role "+role+"_far BYPASSRLS; grant "+role+"_far to %s")(f, role)
}

func TestNewChecksTheRoleBeforeTheFirstStatement(t *testing.T) {
	t.Parallel()
	f := newLeads(t)
	db, err := moat.New(f.pool(t, 2), nil)
	if err != nil {
		t.Fatal(err)
	}
	f.Exec(t, fmt.Sprintf("alter role %s bypassrls", f.Role))
	var unsafe *moat.UnsafeRoleError
	if _, err := db.Exec(as(tenantA), "select 1"); !errors.As(err, &unsafe) {
		t.Fatalf("first statement: %v", err)
	}
	f.Exec(t, fmt.Sprintf("alter role %s nobypassrls", f.Role))
	if _, err := db.Exec(as(tenantA), "select 1"); err != nil {
		t.Fatalf("the role is safe now: %v", err)
	}
	f.Exec(t, fmt.Sprintf("alter role %s bypassrls", f.Role))
	if err := db.Check(context.Background()); !errors.As(err, &unsafe) {
		t.Fatalf("Check: %v", err)
	}
	if _, err := db.Exec(as(tenantA), "select 1"); !errors.As(err, &unsafe) {
		t.Fatalf("statement after a failed Check: %v", err)
	}
}

func TestOpenRefusesBadConfiguration(t *testing.T) {
	t.Parallel()
	f := newLeads(t)
	for what, o := range map[string]moat.Options{
		"setting without a dot": {TenantSetting: "tenant"},
		"setting with a quote":  {TenantSetting: "app.x'||'y"},
		"numeric":               {TenantType: "numeric"},
	} {
		if db, err := moat.Open(context.Background(), f.App, &o); err == nil {
			db.Close()
			t.Errorf("%s was accepted", what)
		}
	}
	if _, err := moat.Open(context.Background(), f.App+" default_query_exec_mode=simple_protocol", nil); err == nil {
		t.Error("the simple protocol was accepted")
	}
	_, err := moat.Open(context.Background(), "postgres://user:hunter2@[bad", nil)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("bad URL: %v", err)
	}
	if _, err := moat.New(f.pool(t, 1), &moat.Options{Paranoid: true}); err == nil {
		t.Error("a plain pool was accepted as paranoid")
	}
}
