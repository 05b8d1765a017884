package moat_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
)

func TestBulkInsert(t *testing.T) {
	t.Parallel()
	db := newLeads(t).open(t, 1, moat.Options{})
	rows := make([][]any, 2500)
	for i := range rows {
		rows[i] = []any{100 + i, fmt.Sprintf("bulk %d", i), []string{"x", fmt.Sprint(i)}}
	}
	n, err := db.BulkInsert(as(tenantA), pgx.Identifier{"leads"}, []string{"id", "name", "tags"}, pgx.CopyFromRows(rows))
	if err != nil || n != 2500 {
		t.Fatalf("BulkInsert: %d, %v", n, err)
	}
	got := names(t, as(tenantA), db, "select name || tags[2] from leads where id in (100, 2599) order by id")
	if diff := cmp.Diff([]string{"bulk 00", "bulk 24992499"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := names(t, as(tenantB), db, "select name from leads"); len(got) != 2 {
		t.Errorf("B has %d rows", len(got))
	}
}

func TestBulkInsertIsAllOrNothing(t *testing.T) {
	t.Parallel()
	db := newLeads(t).open(t, 1, moat.Options{})
	for what, last := range map[string][]any{
		"duplicate key": {string(tenantA), 1, "x"},
		"foreign row":   {string(tenantB), 5000, "planted"},
		"null":          {string(tenantA), 5000, nil},
	} {
		rows := make([][]any, 0, 1501)
		for i := range 1500 {
			rows = append(rows, []any{string(tenantA), 100 + i, "x"})
		}
		rows = append(rows, last)
		if _, err := db.BulkInsert(as(tenantA), pgx.Identifier{"leads"}, []string{"tenant_id", "id", "name"},
			pgx.CopyFromRows(rows)); err == nil {
			t.Errorf("%s was accepted", what)
		}
		if got := names(t, as(tenantA), db, "select name from leads"); len(got) != 3 {
			t.Errorf("%s: %d rows left behind", what, len(got)-3)
		}
	}
	if _, err := db.BulkInsert(as(tenantA), pgx.Identifier{"leads"}, []string{"nosuch"},
		pgx.CopyFromRows(nil)); err == nil {
		t.Error("an unknown column was accepted")
	}
}
