package policy_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
)

const shapesOfJudge = `CREATE SCHEMA app; CREATE SCHEMA moat;
	CREATE TABLE app.tenants (id int PRIMARY KEY, parent_id int REFERENCES app.tenants);
	CREATE TABLE moat.tenant_tree (ancestor int NOT NULL REFERENCES app.tenants,
		tenant int NOT NULL REFERENCES app.tenants, depth int NOT NULL, PRIMARY KEY (ancestor, tenant));
	CREATE TABLE app.links (tenant_id int NOT NULL REFERENCES app.tenants, partner int NOT NULL REFERENCES app.tenants);
	CREATE TABLE app.users (id int PRIMARY KEY);
	CREATE TABLE app.themes (person int PRIMARY KEY, other int);
	CREATE TABLE app.memberships (tenant_id int NOT NULL REFERENCES app.tenants,
		user_id int NOT NULL REFERENCES app.users, invited_by int REFERENCES app.tenants);
	CREATE TABLE app.friends (user_id int NOT NULL REFERENCES app.users, friend_user int NOT NULL);
	CREATE TABLE app.leads (tenant_id int NOT NULL REFERENCES app.tenants, id int);
	CREATE TABLE app.templates (tenant_id int NOT NULL REFERENCES app.tenants, id int);
	CREATE TABLE app.labels (tenant_id int REFERENCES app.tenants, id int);
	CREATE TABLE app.plans (tenant_id int NOT NULL REFERENCES app.tenants, id int);
	CREATE TABLE app.orders (seller int NOT NULL REFERENCES app.tenants, buyer int NOT NULL REFERENCES app.tenants,
		courier int REFERENCES app.tenants);
	CREATE TABLE app.board (tenant_id int NOT NULL REFERENCES app.tenants, id int PRIMARY KEY);
	CREATE TABLE app.board_share (tenant_id int NOT NULL REFERENCES app.tenants,
		board_id int NOT NULL REFERENCES app.board, shared_with int NOT NULL REFERENCES app.tenants, can_edit boolean,
		PRIMARY KEY (shared_with, board_id));
	CREATE TABLE app.cards (tenant_id int NOT NULL REFERENCES app.tenants, number int NOT NULL,
		PRIMARY KEY (tenant_id, number));
	CREATE TABLE app.card_share (tenant_id int NOT NULL, number int NOT NULL, shared_with int NOT NULL REFERENCES
		app.tenants, PRIMARY KEY (tenant_id, number, shared_with), FOREIGN KEY (tenant_id, number) REFERENCES app.cards);
	CREATE TABLE app.remarks (card_tenant int NOT NULL, card_number int NOT NULL, author int,
		FOREIGN KEY (card_tenant, card_number) REFERENCES app.cards)`

// Each form of a shape is read for what it gives, and what only looks like one for nothing.
// «T» is the current tenant, «below» and «above» the closure's two ways.
func TestShapesAreJudged(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	db.Exec(t, shapesOfJudge)
	conn := db.Conn(t, db.URL)
	fill := strings.NewReplacer("«below»", "SELECT c.tenant FROM moat.tenant_tree c WHERE c.ancestor = «T»",
		"«above»", "SELECT c.ancestor FROM moat.tenant_tree c WHERE c.tenant = «T»",
		"«mine»", "SELECT m.tenant_id FROM app.memberships m WHERE m.user_id = "+
			"(SELECT nullif(current_setting('app.subject', true), '')::int)",
		"«me»", "(SELECT nullif(current_setting('app.subject', true), '')::int)",
		"«cards»", "app.card_share s WHERE s.shared_with = «T»",
		"«share»", "SELECT s.board_id FROM app.board_share s WHERE s.shared_with = «T»")
	current := strings.NewReplacer("«T»", "(SELECT nullif(current_setting('app.current_tenant', true), '')::int)")
	for i, c := range []struct{ table, expr, want string }{
		{"leads", "tenant_id = «T»", "tenant"},
		// 1: below, by the closure read from above, and no other way.
		{"leads", "tenant_id = ANY (ARRAY(«below»))", "below wide"},
		{"leads", "tenant_id IN («below»)", "below wide"},
		{"leads", "EXISTS («below» AND c.tenant = leads.tenant_id)", "below wide"},
		{"leads", "tenant_id = ANY (ARRAY(«above»))", ""},
		{"leads", "tenant_id = ANY (ARRAY(SELECT c.tenant FROM moat.tenant_tree c))", ""},
		{"leads", "tenant_id = ANY (ARRAY(SELECT c.tenant FROM moat.tenant_tree c WHERE c.depth < 3))", ""},
		{"leads", "tenant_id = ANY (ARRAY(SELECT c.tenant FROM moat.tenant_tree c WHERE c.ancestor = «T» OR true))", ""},
		{"leads", "tenant_id = ANY (ARRAY(SELECT c.tenant FROM moat.tenant_tree c WHERE c.tenant <> «T»))", ""},
		{"leads", "tenant_id = ANY (ARRAY(SELECT c.tenant FROM moat.tenant_tree c WHERE c.ancestor IN " +
			"(SELECT d.ancestor FROM moat.tenant_tree d WHERE d.tenant = «T»)))", ""},
		{"leads", "tenant_id = «T» OR tenant_id = ANY (ARRAY(«below»))", "below wide"},
		{"leads", "tenant_id <> ALL (ARRAY(«below»))", ""},
		{"leads", "tenant_id = ANY (ARRAY(«below» UNION SELECT id FROM app.tenants))", ""},
		{"leads", "tenant_id = ANY (ARRAY(SELECT l.partner FROM app.links l WHERE l.tenant_id = «T»))", ""},
		{"tenants", "parent_id = ANY (ARRAY(«below»))", "adopted"},
		{"leads", "id = ANY (ARRAY(«below»))", ""},
		// 4: nobody's rows, with a tenant at all, where they are declared.
		{"labels", "tenant_id = «T» OR (tenant_id IS NULL AND «T» IS NOT NULL)", "visible wide"},
		{"labels", "tenant_id = «T» OR tenant_id IS NULL", ""},
		{"labels", "tenant_id = «T» OR (tenant_id IS NULL OR «T» IS NOT NULL)", ""},
		{"labels", "tenant_id = «T» OR (tenant_id IS NULL AND «T» IS NULL)", ""},
		{"labels", "tenant_id = «T» OR «T» IS NOT NULL", ""},
		{"leads", "tenant_id = «T» OR (tenant_id IS NULL AND «T» IS NOT NULL)", "tenant"}, // never NULL there
		{"plans", "tenant_id = «T» OR (tenant_id = 0 AND «T» IS NOT NULL)", "visible wide"},
		{"plans", "tenant_id = «T» OR (tenant_id = 1 AND «T» IS NOT NULL)", ""},
		{"plans", "tenant_id = «T» OR (id = 0 AND «T» IS NOT NULL)", ""},
		// 5: from above, where it is declared.
		{"templates", "tenant_id = ANY (ARRAY(«above»))", "visible wide"},
		{"templates", "tenant_id = ANY (ARRAY(SELECT c.ancestor FROM moat.tenant_tree c))", ""},
		// 6: parties and shares.
		{"orders", "seller = «T»", "tenant"},
		{"orders", "seller = «T» OR buyer = «T»", "visible wide"},
		{"orders", "buyer = «T»", "visible wide"},
		{"orders", "seller = «T» OR courier = «T»", ""},
		{"orders", "seller = ANY (ARRAY(«below»)) OR buyer = ANY (ARRAY(«below»))", "wide"},
		{"orders", "seller = «T» OR buyer <> «T»", ""},
		{"orders", "seller = ANY (ARRAY(«mine»)) OR buyer = ANY (ARRAY(«mine»))", "visible wide"},
		{"orders", "seller = ANY (ARRAY(«mine»)) OR courier = ANY (ARRAY(«mine»))", ""},
		{"orders", "seller = «T» OR buyer = ANY (ARRAY(SELECT m.tenant_id FROM app.memberships m))", ""},
		{"orders", "seller = «T» OR buyer = ANY (ARRAY(SELECT l.partner FROM app.links l WHERE l.tenant_id = «T»))", ""},
		{"board_share", "tenant_id = ANY (ARRAY(«mine»)) OR shared_with = ANY (ARRAY(«mine»))", "visible wide"},
		{"leads", "id = ANY (ARRAY(«mine»))", ""},
		{"board", "tenant_id = «T» OR id = ANY (ARRAY(«share»))", "visible wide"},
		{"board", "tenant_id = ANY (ARRAY(«below»)) OR id = ANY (ARRAY(SELECT s.board_id FROM app.board_share s WHERE " +
			"s.shared_with = ANY (ARRAY(«below»)) AND s.can_edit))", "wide amended"},
		{"board", "tenant_id = ANY (ARRAY(«below»)) OR id = ANY (ARRAY(SELECT s.board_id FROM app.board_share s WHERE " +
			"s.shared_with = ANY (ARRAY(«below»))))", "wide"},
		{"board", "tenant_id = «T» OR id = ANY (ARRAY(«share» AND s.can_edit))", "visible editable wide"},
		{"board", "tenant_id = «T» OR id = ANY (ARRAY(«share» AND NOT s.can_edit))", "visible wide"},
		{"board", "tenant_id = «T» OR id = ANY (ARRAY(SELECT s.board_id FROM app.board_share s))", ""},
		{"board", "tenant_id = «T» OR tenant_id = ANY (ARRAY(SELECT s.tenant_id FROM app.board_share s WHERE " +
			"s.shared_with = «T»))", ""},
		{"board", "tenant_id = «T» OR id = ANY (ARRAY(SELECT s.shared_with FROM app.board_share s WHERE " +
			"s.shared_with = «T»))", ""},
		{"leads", "id = ANY (ARRAY(«share»))", ""},
		// A number within a tenant names a row beside the tenant whose share it is.
		{"cards", "tenant_id = «T» OR number = ANY (ARRAY(SELECT s.number FROM «cards»))", ""},
		{"cards", "tenant_id = «T» OR number IN (SELECT s.number FROM «cards»)", ""},
		{"cards", "tenant_id = «T» OR EXISTS (SELECT FROM «cards» AND s.number = cards.number)", ""},
		{"cards", "tenant_id = «T» OR (tenant_id, number) IN (SELECT s.tenant_id, s.number FROM «cards»)", "visible wide"},
		{"cards", "tenant_id = «T» OR (number, tenant_id) IN (SELECT s.number, s.tenant_id FROM «cards»)", "visible wide"},
		{"cards", "tenant_id = «T» OR (tenant_id, number) IN (SELECT s.number, s.tenant_id FROM «cards»)", ""},
		{"cards", "tenant_id = «T» OR (tenant_id, number) IN (SELECT s.shared_with, s.number FROM «cards»)", "tenant"},
		{"cards", "tenant_id = «T» OR (number, number) IN (SELECT s.tenant_id, s.number FROM «cards»)", ""},
		{"cards", "tenant_id = «T» OR (tenant_id, number) IN (SELECT s.tenant_id, o.number FROM app.card_share o, " +
			"«cards» AND o.shared_with = «T»)", ""},
		{"cards", "tenant_id = «T» OR EXISTS (SELECT FROM «cards» AND s.number = cards.number AND " +
			"s.tenant_id = cards.tenant_id)", "visible wide"},
		{"cards", "tenant_id = «T» OR EXISTS (SELECT FROM app.card_share o, «cards» AND o.shared_with = «T» AND " +
			"s.number = cards.number AND o.tenant_id = cards.tenant_id)", ""},
		{"cards", "tenant_id = «T» OR (number = ANY (ARRAY(SELECT s.number FROM «cards»)) AND tenant_id = ANY (ARRAY(" +
			"SELECT s.tenant_id FROM «cards»)))", ""},
		// A row follows its parent, by the whole of the key.
		{"remarks", "EXISTS (SELECT FROM app.cards c WHERE c.tenant_id = card_tenant AND c.number = card_number AND " +
			"c.tenant_id = «T»)", "tenant"},
		{"remarks", "(card_tenant, card_number) IN (SELECT c.tenant_id, c.number FROM app.cards c WHERE c.tenant_id = «T»)",
			"tenant"},
		{"remarks", "EXISTS (SELECT FROM app.cards c WHERE c.number = card_number AND c.tenant_id = «T»)", ""},
		{"remarks", "EXISTS (SELECT FROM app.cards c WHERE c.tenant_id = author AND c.number = card_number AND " +
			"c.tenant_id = «T»)", ""},
		{"remarks", "EXISTS (SELECT FROM app.cards c, app.cards d WHERE d.tenant_id = card_tenant AND c.number = " +
			"card_number AND c.tenant_id = «T»)", ""},
		{"remarks", "(author, card_number) IN (SELECT c.tenant_id, c.number FROM app.cards c WHERE c.tenant_id = «T»)", ""},
		{"board_share", "tenant_id = «T» OR shared_with = «T»", "visible wide"},
		{"users", "id = ANY (ARRAY(SELECT m.user_id FROM app.memberships m WHERE m.tenant_id = ANY (ARRAY(«above»))))", ""},
		{"users", "id = ANY (ARRAY(SELECT m.user_id FROM app.memberships m WHERE m.tenant_id IN (SELECT l.partner FROM " +
			"app.links l WHERE l.tenant_id = «T»)))", ""},
		// 2: people.
		{"users", "id = ANY (ARRAY(SELECT m.user_id FROM app.memberships m WHERE m.tenant_id = «T»))", "tenant"},
		{"users", "id = ANY (ARRAY(SELECT m.user_id FROM app.memberships m WHERE m.tenant_id = ANY (ARRAY(«below»))))",
			"below wide"},
		{"users", "id = ANY (ARRAY(SELECT m.user_id FROM app.memberships m))", ""},
		// 3: the caller's own links beside those of a tenant, or of those below.
		{"memberships", "tenant_id = ANY (ARRAY(«below»)) OR user_id = «me»", "wide"},
		{"memberships", "tenant_id = «T» OR user_id = «me»", "visible wide"},
		{"memberships", "tenant_id = ANY (ARRAY(«below»)) OR user_id > «me»", ""},
		{"labels", "tenant_id = «T» OR (tenant_id IS NULL AND («mine» LIMIT 1) IS NOT NULL)", "visible wide"},
		{"labels", "tenant_id = «T» OR (tenant_id IS NULL AND (SELECT m.tenant_id FROM app.memberships m LIMIT 1) IS NOT " +
			"NULL)", ""},
		{"labels", "tenant_id = «T» OR (tenant_id IS NULL AND coalesce(«T», 0) IS NOT NULL)", ""},
		{"labels", "tenant_id = «T» OR (tenant_id IS NULL AND coalesce((«mine» LIMIT 1), 0) IS NOT NULL)", ""},
		{"labels", "tenant_id = «T» OR (tenant_id IS NULL AND current_setting('app.current_tenant', true) IS NOT NULL)", ""},
		{"labels", "tenant_id = «T» OR (tenant_id IS NULL AND ARRAY(«mine») IS NOT NULL)", ""},
		{"labels", "tenant_id = «T» OR (tenant_id IS NULL AND (SELECT count(m.tenant_id) FROM app.memberships m WHERE " +
			"m.user_id = «me») IS NOT NULL)", ""},
		{"labels", "tenant_id = «T» OR (tenant_id IS NULL AND (SELECT m.tenant_id FROM app.memberships m WHERE m.user_id > " +
			"«me» LIMIT 1) IS NOT NULL)", ""},
		// What looks like the caller's tenants, and holds others.
		{"leads", "tenant_id = ANY (ARRAY(«below» UNION SELECT l.partner FROM app.links l WHERE l.tenant_id = «T»))", ""},
		{"leads", "tenant_id = ANY (ARRAY(«mine» UNION SELECT l.partner FROM app.links l WHERE l.tenant_id = «T»))", ""},
		{"leads", "tenant_id = ANY (ARRAY(«mine» UNION SELECT l.tenant_id FROM app.links l WHERE l.tenant_id = «T»))",
			"tenant"},
		{"board", "tenant_id = «T» OR id = ANY (ARRAY(«share» UNION SELECT l.partner FROM app.links l WHERE " +
			"l.tenant_id = «T»))", ""},
		{"board", "tenant_id = «T» OR id = ANY (ARRAY(«share» AND s.can_edit UNION «share»))", "visible wide"},
		{"leads", "tenant_id IN (SELECT l.partner FROM app.links l JOIN app.memberships m ON m.tenant_id = l.tenant_id " +
			"WHERE m.user_id = «me»)", ""},
		{"leads", "tenant_id IN (SELECT t.parent_id FROM app.tenants t JOIN app.memberships m ON m.tenant_id = t.id WHERE " +
			"m.user_id = «me»)", ""},
		{"leads", "tenant_id IN (SELECT t.id FROM app.tenants t JOIN app.memberships m ON m.tenant_id = t.id WHERE " +
			"m.user_id = «me»)", "tenant"},
		{"leads", "tenant_id IN (SELECT m.invited_by FROM app.memberships m WHERE m.user_id = «me»)", ""},
		{"leads", "tenant_id IN (SELECT m.tenant_id FROM app.memberships m WHERE m.user_id IN (SELECT f.friend_user FROM " +
			"app.friends f WHERE f.user_id = «me»))", ""},
		{"leads", "tenant_id IN (SELECT m.tenant_id FROM app.memberships m JOIN app.users u ON u.id = m.user_id WHERE " +
			"u.id = «me»)", "tenant"},
		{"memberships", "tenant_id = «T» OR user_id IN (SELECT f.friend_user FROM app.friends f WHERE f.user_id = «me»)", ""},
		{"memberships", "tenant_id = ANY (ARRAY(«below»)) OR user_id = ANY (ARRAY(SELECT m.user_id FROM app.memberships m))",
			""},
		{"orders", "seller = ANY (ARRAY(«mine»)) OR buyer = ANY (ARRAY(«above»))", ""},
		{"orders", "seller = ANY (ARRAY(«mine»)) OR buyer >= ANY (ARRAY(«mine»))", ""},
		{"orders", "seller = ANY (ARRAY(«mine»)) OR buyer <> ALL (ARRAY(«mine»))", ""},
		{"board", "tenant_id = ANY (ARRAY(«below»)) OR id = ANY (ARRAY(SELECT s.board_id FROM app.board_share s WHERE " +
			"s.shared_with = ANY (ARRAY(«below»)) OR s.can_edit))", ""},
		{"board", "tenant_id = ANY (ARRAY(«below»)) OR id = ANY (ARRAY(SELECT s.board_id FROM app.board_share s WHERE " +
			"s.shared_with = ANY (ARRAY(«below»)) AND coalesce(s.can_edit, true)))", "wide"},
		{"board", "tenant_id = ANY (ARRAY(«below»)) OR id = ANY (ARRAY(SELECT s.board_id FROM app.board_share s WHERE " +
			"s.shared_with = ANY (ARRAY(«below»)) AND s.can_edit IS NOT FALSE))", "wide"},
		{"board", "tenant_id = ANY (ARRAY(«below»)) OR id = ANY (ARRAY(SELECT s.board_id FROM app.board_share s, " +
			"app.board_share o WHERE s.shared_with = ANY (ARRAY(«below»)) AND o.can_edit))", "wide"},
		{"board", "tenant_id = ANY (ARRAY(«below»)) OR id = ANY (ARRAY(SELECT s.board_id FROM app.board_share s WHERE " +
			"s.shared_with = ANY (ARRAY(«above»)) AND s.can_edit))", ""},
		{"themes", "person = ANY (ARRAY(SELECT m.user_id FROM app.memberships m WHERE m.tenant_id = «T»))", "tenant"},
		{"themes", "person = ANY (ARRAY(SELECT m.user_id FROM app.memberships m))", ""},
		{"themes", "other = ANY (ARRAY(SELECT m.user_id FROM app.memberships m WHERE m.tenant_id = «T»))", ""},
		{"users", "id = ANY (ARRAY(SELECT m.tenant_id FROM app.memberships m WHERE m.tenant_id = «T»))", ""},
	} {
		if testing.Short() && i%3 != 0 {
			continue
		}
		text := current.Replace(fill.Replace(c.expr))
		if got := judgedAs(t, conn, c.table, text); got != c.want {
			t.Errorf("%s: %s: %q, want %q", c.table, c.expr, got, c.want)
		}
	}
}

func judgedAs(t *testing.T, conn *pgx.Conn, table, expr string) string {
	t.Helper()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), "CREATE POLICY probe ON app."+table+" USING ("+expr+")"); err != nil {
		t.Fatal(err)
	}
	at := func(name string) catalog.QName { return catalog.QName{Schema: "app", Name: name} }
	v, err := tenancy.Read(t.Context(), conn, tenancy.Options{Column: "tenant_id", Setting: "app.current_tenant",
		Shapes: catalog.Shapes{
			Tree:       &catalog.Tree{Parent: "parent_id"},
			SharedRows: []catalog.SharedRows{{Table: at("labels")}, {Table: at("plans"), Sentinel: "0"}},
			FromAbove:  []catalog.QName{at("templates")},
			Parties:    []catalog.Parties{{Table: at("orders"), Owner: "seller", Reads: []string{"buyer"}}},
			Shares: []catalog.Shares{{Table: at("board"), Through: at("board_share"), With: "shared_with",
				Edits: "can_edit"}, {Table: at("cards"), Through: at("card_share"), With: "shared_with"}},
			Members: []catalog.Members{{Table: at("users"), Through: at("memberships"), Person: "user_id",
				Columns: []string{"id"}}, {Table: at("themes"), Through: at("memberships"), Person: "user_id",
				Columns: []string{"person"}}},
		}})
	if err != nil {
		t.Fatal(err)
	}
	r := v.Relation(at(table))
	return sets(v.Judge(r.Policies[0].Using, r))
}

func sets(j policy.Judgement) string {
	var all []string
	for _, x := range []struct {
		is   bool
		name string
	}{{j.Isolates, "tenant"}, {j.Visible, "visible"}, {j.Editable, "editable"}, {j.Below, "below"}, {j.Wide, "wide"},
		{j.Amended && !j.Below && !j.Editable, "amended"}, {j.Adopted, "adopted"}} {
		if x.is {
			all = append(all, x.name)
		}
	}
	return strings.Join(all, " ")
}
