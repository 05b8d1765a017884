package protect

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// TestWithoutSuperuser plans and applies as a managed service's administrator: owner
// of the database and its tables, CREATEROLE, not superuser. What that role may not
// do is listed, all the rest is done.
func TestWithoutSuperuser(t *testing.T) {
	t.Parallel()
	b := newBench(t, "")
	admin := b.Role(t, "admin", "LOGIN CREATEROLE")
	b.Exec(t, "ALTER DATABASE "+b.Name+" OWNER TO "+admin+"; ALTER SCHEMA public OWNER TO "+admin)
	b.Exec(t, "SET ROLE "+admin+";"+simple)
	url := b.As(t, admin)
	b.url = url
	before := text(t, b.snapshot(t))
	plan := b.plan(t)
	var left []string
	for _, l := range plan.Left {
		left = append(left, l.Title)
	}
	for _, want := range []string{"event triggers", "search function", "role " + b.cfg.Roles.Operator} {
		if !strings.Contains(strings.Join(left, "\n"), want) {
			t.Errorf("%q is not among what is left out: %v", want, left)
		}
	}
	if strings.Contains(plan.Connect, b.cfg.Roles.Operator) || !strings.Contains(plan.Connect, "snapshots") {
		t.Errorf("names an operator that is not made: %s", plan.Connect)
	}
	b.apply(t, GroupGuards)
	if again := b.plan(t); !again.Empty() {
		t.Errorf("second plan: %s", show(again))
	}
	app := b.Conn(t, b.As(t, b.cfg.Roles.Application))
	b.CheckAppRole(t, b.cfg.Roles.Application)
	if own, none := visible(t, app, tenantA, "app.lines"), visible(t, app, "", "app.lines"); own != 667 || none != 0 {
		t.Errorf("tenant A sees %d lines, no tenant %d; want 667 and 0", own, none)
	}
	b.undo(t)
	if d := diff(before, text(t, b.snapshot(t))); d != "" {
		t.Errorf("undo left (- before, + after):\n%s", d)
	}
}

// TestSubjectRole refuses data and key steps to a role that row-level security binds:
// as the forced owner it would fill no row and validate what is not valid.
func TestSubjectRole(t *testing.T) {
	t.Parallel()
	pgtest.Full(t) // short: TestWithoutSuperuser
	b := newBench(t, "")
	admin := b.Role(t, "admin", "LOGIN CREATEROLE")
	b.Exec(t, "ALTER DATABASE "+b.Name+" OWNER TO "+admin)
	b.Exec(t, "SET ROLE "+admin+";"+simple+"ALTER TABLE app.orders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;")
	b.url = b.As(t, admin)
	conn, err := b.open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	plan, s, unseen, err := Look(t.Context(), conn, b.opts, b.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if open := plan.Open(); unseen == nil || len(open) != 1 || open[0].ID != "rows/unseen" {
		t.Errorf("rows were counted by a role that cannot see them: %v, %v", unseen, open)
	}
	b.accept(t, s, plan.Open())
	if plan, _, _, err = Look(t.Context(), conn, b.opts, b.cfg); err != nil {
		t.Fatal(err)
	}
	_, err = Apply(t.Context(), func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, b.url) }, plan,
		ApplyOptions{Until: GroupGuards})
	var subject *SubjectError
	if !errors.As(err, &subject) {
		t.Errorf("apply as a subject role: %v", err)
	}
	b.url, b.cfg.Baseline = b.URL, nil
	b.apply(t, GroupGuards)
	if again := b.plan(t); !again.Empty() {
		t.Errorf("second plan: %s", show(again))
	}
}
