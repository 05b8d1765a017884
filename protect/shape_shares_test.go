package protect

import (
	"testing"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// Boards are numbered within each tenant: who is given one sees that one, and not those of
// the same number.
func TestShareOfANumberWithinATenant(t *testing.T) {
	t.Parallel()
	b := shapedBench(t, pgtest.Shared(t), `CREATE SCHEMA app;
		CREATE TABLE app.tenants (id int PRIMARY KEY, name text);
		CREATE TABLE app.board (tenant_id int NOT NULL REFERENCES app.tenants, id int NOT NULL, title text,
			PRIMARY KEY (tenant_id, id));
		CREATE TABLE app.board_share (tenant_id int NOT NULL, board_id int NOT NULL,
			shared_with int NOT NULL REFERENCES app.tenants, can_edit boolean NOT NULL DEFAULT false,
			PRIMARY KEY (tenant_id, board_id, shared_with),
			FOREIGN KEY (tenant_id, board_id) REFERENCES app.board ON DELETE CASCADE);
		INSERT INTO app.tenants VALUES (1, 'A'), (2, 'B'), (3, 'C');
		INSERT INTO app.board SELECT t, i, t || '.' || i FROM generate_series(1, 3) t, generate_series(1, 3) i;
		INSERT INTO app.board_share VALUES (1, 1, 3, true), (2, 2, 3, false);`,
		catalog.Shapes{Shares: []catalog.Shares{{Table: in("board"), Through: in("board_share"), With: "shared_with",
			Edits: "can_edit"}}})
	const titles = "SELECT string_agg(title, ',' ORDER BY title) FROM app.board"
	b.bothModes(t, []scene{{tenant: "3", sql: titles, want: "1.1,2.2,3.1,3.2,3.3"},
		{tenant: "1", sql: titles, want: "1.1,1.2,1.3"}, {tenant: "2", sql: titles, want: "2.1,2.2,2.3"},
		{tenant: "3", sql: "UPDATE app.board SET title = 'mine'", want: "4"}, {sql: titles, want: "<nil>"}})
}
