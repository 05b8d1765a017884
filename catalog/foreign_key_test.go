package catalog_test

import (
	"testing"

	"github.com/moat-db/moat/catalog"
)

func TestForeignKeySQL(t *testing.T) {
	t.Parallel()
	key := catalog.Constraint{Columns: []string{"tenant_id", "Lead"}, RefColumns: []string{"tenant_id", "id"},
		References: catalog.QName{Schema: "app", Name: "leads"}, OnDelete: "no action"}
	const plain = `FOREIGN KEY (tenant_id, "Lead") REFERENCES app.leads (tenant_id, id)`
	if got := key.ForeignKeySQL(); got != plain {
		t.Errorf("without actions: %s", got)
	}
	key.OnDelete, key.SetColumns, key.OnUpdate = "set null", []string{"Lead"}, "cascade"
	key.Deferrable, key.Deferred = true, true
	const whole = plain + ` ON DELETE SET NULL ("Lead") ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED`
	if got := key.ForeignKeySQL(); got != whole {
		t.Errorf("with all of them: %s", got)
	}
}
