package protect

import (
	"slices"
	"strings"
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// numbered are boards with a number that is one among all tenants, until the plan makes it one
// within each.
const numbered = `CREATE SCHEMA app;
	CREATE TABLE app.tenants (id int PRIMARY KEY, name text);
	CREATE TABLE app.board (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), tenant_id int NOT NULL REFERENCES app.tenants,
		number text NOT NULL CONSTRAINT board_number_key UNIQUE, title text);
	CREATE TABLE app.board_share (tenant_id int NOT NULL REFERENCES app.tenants, number text NOT NULL REFERENCES
		app.board (number) ON DELETE CASCADE, shared_with int NOT NULL REFERENCES app.tenants,
		can_edit boolean NOT NULL DEFAULT false, PRIMARY KEY (tenant_id, number, shared_with));
	INSERT INTO app.tenants VALUES (1, 'A'), (2, 'B'), (3, 'C');
	INSERT INTO app.board (tenant_id, number, title) VALUES (1, '5', '1.5'), (3, '6', '3.6');
	INSERT INTO app.board_share VALUES (1, '5', 3, true);`

func sharesByNumber() catalog.Shapes {
	return catalog.Shapes{Shares: []catalog.Shares{{Table: in("board"), Through: in("board_share"), With: "shared_with",
		Edits: "can_edit"}}}
}

// One plan that makes a key of shares one within each tenant shows its own rows of it too.
func TestShareByAKeyThatThePlanGrows(t *testing.T) {
	t.Parallel()
	b := shapedBench(t, pgtest.Shared(t), numbered, sharesByNumber())
	b.cfg.TenantLedUniques = []string{"app.board.board_number_key"}
	b.apply(t, GroupGuards)
	b.Exec(t, "INSERT INTO app.board (tenant_id, number, title) VALUES (2, '5', '2.5')")
	const titles = "SELECT string_agg(title, ',' ORDER BY title) FROM app.board"
	b.playAll(t, []scene{{tenant: "3", sql: titles, want: "1.5,3.6"}, {tenant: "2", sql: titles, want: "2.5"},
		{tenant: "3", sql: "UPDATE app.board SET title = 'mine'", want: "2"}})
	if again := b.plan(t); !again.Empty() {
		t.Fatalf("second plan: %s", show(again))
	}
	if found := b.audited(t); len(found) > 0 {
		t.Errorf("findings: %q", found)
	}
}

// Where the weak wall binds already, the key waits for the strong one. And where another step stops,
// the strong wall stays as it is.
func TestShareByAKeyThatGrowsLater(t *testing.T) {
	t.Parallel()
	b := shapedBench(t, pgtest.Shared(t), numbered, sharesByNumber())
	b.apply(t, GroupGuards)
	b.cfg.TenantLedUniques = []string{"app.board.*"}
	plan := b.plan(t)
	at := func(id string) int { return slices.IndexFunc(plan.Steps, func(s Step) bool { return s.ID == id }) }
	if wall, drop := at("policies/app.board/walls"), at("keys/app.board/board_number_key/drop"); wall < 0 || drop < wall {
		t.Fatalf("walls at %d, end of the key at %d: %s", wall, drop, show(plan))
	}
	b.apply(t, GroupGuards)
	b.Exec(t, "INSERT INTO app.board (tenant_id, number, title) VALUES (2, '5', '2.5')")
	const titles = "SELECT string_agg(title, ',' ORDER BY title) FROM app.board"
	b.act(t, []scene{{tenant: "3", sql: titles, want: "1.5,3.6"}})
	b.Exec(t, "DELETE FROM app.board WHERE tenant_id = 2; ALTER TABLE app.board ADD CONSTRAINT again UNIQUE (number)")
	b.cfg.TenantLedUniques = nil
	if found := b.audited(t); slices.ContainsFunc(found, func(x string) bool { return strings.Contains(x, "shape") }) {
		t.Errorf("findings of a wall that is stronger than it need be: %q", found)
	}
	walls := func(s Step) bool { return strings.HasSuffix(s.ID, "walls") }
	if again := b.plan(t); slices.ContainsFunc(again.Steps, walls) {
		t.Errorf("plan over a wall that is stronger than it need be: %s", show(again))
	}
}

// The weak wall of a key that is one within each tenant only is a finding, as is one of a table from
// which others inherit rows.
func TestWeakShareIsAFinding(t *testing.T) {
	t.Parallel()
	for name, weaken := range map[string]string{
		"key of the tenant": "ALTER TABLE app.board DROP CONSTRAINT board_number_key CASCADE",
		"inherited":         "CREATE TABLE app.old_board () INHERITS (app.board)",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := shapedBench(t, pgtest.Shared(t), numbered, sharesByNumber())
			b.apply(t, GroupGuards)
			if found := b.audited(t); slices.Contains(found, "high rls-shape app.board") {
				t.Errorf("findings of a sound wall: %q", found)
			}
			b.Exec(t, weaken)
			if found := b.audited(t); !slices.Contains(found, "high rls-shape app.board") {
				t.Errorf("findings of a weak wall: %q", found)
			}
		})
	}
}
