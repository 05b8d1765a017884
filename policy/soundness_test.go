package policy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/internal/sqltext"
)

// soundnessRows are rows of two tenants: u1 belongs to a1 alone.
const soundnessRows = `
INSERT INTO app.tenants VALUES («A», 'a', 'x'), («B», 'b', 'y');
INSERT INTO app.users VALUES («U», 'u@a'), («W», 'w@b');
INSERT INTO app.membership VALUES («A», «U», 'admin'), («B», «W», 'admin');
INSERT INTO app.projects VALUES («A», «A»), («B», «B»);
INSERT INTO app.doc (id, tenant_id, project_id, owner_id, user_id, other_id, body, archived, kind) VALUES
	(«A», «A», «A», «U», «U», «A», 'x', false, 'x'), («B», «B», «B», «W», «W», «B», 'y',
		false, 'x');
INSERT INTO app.loose VALUES («A», 'x'), («B», 'y'), (NULL, 'z');
INSERT INTO app.named VALUES («A»::text, 'x'), («B»::text, 'y');
INSERT INTO app.folded VALUES («A»::text, 'x'), (upper(«A»::text), 'bbbbbbbb'); -- another tenant's, spelt alike
INSERT INTO app.fixed VALUES («A»::text), («B»::text);
INSERT INTO app.line VALUES («A», «A», «U»), («B», «B», «W»);
`

// Whatever is judged to isolate is tried: a role bound to tenant A sees none of B's
// rows, and a role bound to none sees no row at all.
func TestIsolatesIsSound(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	db := pgtest.New(t)
	role := db.AppRole(t)
	ids := strings.NewReplacer(
		"«A»", "'aaaaaaaa-0000-0000-0000-000000000001'::uuid", "«B»", "'bbbbbbbb-0000-0000-0000-000000000002'::uuid",
		"«U»", "'cccccccc-0000-0000-0000-000000000003'::uuid", "«W»", "'dddddddd-0000-0000-0000-000000000004'::uuid")
	db.Exec(t, judgeSchema+ids.Replace(soundnessRows))
	db.Exec(t, `GRANT USAGE ON SCHEMA app, auth TO `+role+`; GRANT SELECT ON ALL TABLES IN SCHEMA app TO `+role)
	tried := 0
	for _, c := range judgeCases() {
		if !strings.HasPrefix(c.want, "isolates") && !strings.HasPrefix(c.want, "own") {
			continue
		}
		tried++
		if c.table == "" {
			c.table = "doc"
		}
		conn := db.Conn(t, db.URL)
		tx, err := conn.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		script := fmt.Sprintf(`ALTER TABLE app.%[1]s ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON app.%[1]s
			USING (%[2]s); SET LOCAL ROLE %[3]s`, c.table, c.expr, sqltext.Ident(role))
		if _, err := conn.PgConn().Exec(ctx, script).ReadAll(); err != nil {
			t.Fatalf("%s: %v", c.expr, err)
		}
		count := fmt.Sprintf(`SELECT count(*) FILTER (WHERE x::text LIKE '%%bbbbbbbb%%'), count(*) FROM app.%s AS x`, c.table)
		var foreign, all int
		bound := `SELECT set_config('app.current_tenant', $1, true), set_config('app.user_id', $2, true),
			set_config('request.jwt.claims', $3, true), set_config('request.jwt.claim.tenant_id', $1, true)`
		claims := `{"sub": "cccccccc-0000-0000-0000-000000000003", "email": "u@a", "tenant": "a",
			"tenant_id": "aaaaaaaa-0000-0000-0000-000000000001",
			"app_metadata": {"tenant_id": "aaaaaaaa-0000-0000-0000-000000000001",
				"tenants": ["aaaaaaaa-0000-0000-0000-000000000001"]}}`
		a, u := "aaaaaaaa-0000-0000-0000-000000000001", "cccccccc-0000-0000-0000-000000000003"
		if _, err := tx.Exec(ctx, bound, a, u, claims); err != nil {
			t.Fatal(err)
		}
		if err := tx.QueryRow(ctx, count).Scan(&foreign, &all); err != nil {
			t.Fatalf("%s: %v", c.expr, err)
		}
		if foreign > 0 {
			t.Errorf("%s on %s: judged to isolate, yet shows %d rows of B", c.expr, c.table, foreign)
		}
		if all == 0 && c.want != "isolates false constant" {
			t.Errorf("%s on %s: the case shows no row at all, so that it proves nothing", c.expr, c.table)
		}
		// Emptied, as on a pooled connection: no row, or the error that was foretold.
		if _, err := tx.Exec(ctx, bound, "", "", ""); err != nil {
			t.Fatal(err)
		}
		err = tx.QueryRow(ctx, count).Scan(&foreign, &all)
		raises := strings.Contains(c.want, "raises")
		if (err != nil) != raises && !(raises && all == 0) || err == nil && all > 0 {
			t.Errorf("%s on %s: emptied, %d rows, error %v, judged %q", c.expr, c.table, all, err, c.want)
		}
		if err := tx.Rollback(ctx); err != nil {
			t.Fatal(err)
		}
		conn.Close(ctx)
	}
	if tried < 50 {
		t.Errorf("only %d cases tried", tried)
	}
}
