package cli

import (
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

func TestProtectPartitions(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: protect's TestPartition
	db, base := protectCase(t)
	db.Exec(t, `CREATE TABLE app.events (tenant_id uuid NOT NULL REFERENCES app.tenants, id int,
			PRIMARY KEY (tenant_id, id));
		INSERT INTO app.events SELECT id, 1 FROM app.tenants`)
	const tenant = "00000000-0000-0000-0000-000000000001"
	with := func(more ...string) []string { return append(slices.Clone(base), more...) }
	of := with("--table", "app.events", "--partition", tenant)
	if code, _, errs := command(t, of...); code != exitError || !strings.Contains(errs, "protect it first") {
		t.Errorf("unprotected: exit %d %s", code, errs)
	}
	if code, out, errs := command(t, with("--apply", "--until", "guards")...); code != exitOK {
		t.Fatalf("protect: exit %d\n%s%s", code, out, errs)
	}
	for _, c := range []struct {
		args      []string
		code      int
		out, errs string
	}{
		{of, exitFound, "DEFAULT partition", ""},
		{append(slices.Clone(of), "--lock-budget", "1ns", "--sql"), exitFound, "PARTITION BY LIST (tenant_id)", ""},
		{with("--table", "app.events", "--partition", "00000000-0000-0000-0000-000000000009"), exitError, "",
			"there is no tenant"},
		{with("--table", "app.orders", "--by", "hash:4"), exitError, "", "orders_pkey is unique without tenant_id"},
		{append(slices.Clone(of), "--apply"), exitOK, "steps applied.", "kept readers and writers out for"},
		{of, exitError, "", "it is a partitioned table already"},
		{with("--table", "app.events", "--undo"), exitFound, "would be undone", ""},
		{with("--table", "app.events", "--undo", "--apply"), exitOK, "steps undone", ""},
		{with("--table", "app.events", "--by", "hash:4", "--apply"), exitOK, "steps applied.", ""},
		{with("--undo", "--apply"), exitOK, "steps undone", ""},
	} {
		code, out, errs := command(t, c.args...)
		if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errs, c.errs) {
			t.Errorf("%v: exit %d\n%s%s", c.args[len(base):], code, out, errs)
		}
	}
}

func TestProtectPartitionRefuses(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--partition", "x"}, {"--table", "app.x"}, {"--table", "x", "--by", "hash:2"},
		{"--table", "app.x", "--by", "hash:1"},
		{"--table", "app.x", "--by", "list"}, {"--table", "app.x", "--by", "hash:2", "--lock-budget", "1s"},
		{"--table", "app.x", "--by", "hash:2", "--partition", "x"}, {"--table", "app.x", "--partition", "x", "--undo"},
	} {
		if code, _, errs := command(t, append([]string{"protect", "postgres:///none"}, args...)...); code != exitError ||
			strings.Contains(errs, "connect") {
			t.Errorf("%v: exit %d %s", args, code, errs)
		}
	}
}
