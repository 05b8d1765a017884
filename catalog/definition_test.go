package catalog_test

import (
	"testing"

	"github.com/moat-db/moat/catalog"
)

// A setting stored for a role changes what the role is, and what the database is only where it
// is stored for this database; one that is stored for all roles changes what the database is.
func TestDefinitionOfStoredSettings(t *testing.T) {
	t.Parallel()
	shop := func(stored ...catalog.StoredSetting) *catalog.Snapshot {
		return &catalog.Snapshot{Database: catalog.Database{Name: "shop"}, Stored: stored,
			Roles: []catalog.Role{{Name: "app"}, {Name: "other"}}}
	}
	changed := func(object string, s *catalog.Snapshot) bool {
		return catalog.Definition(shop(), object) != catalog.Definition(s, object)
	}
	everywhere := shop(catalog.StoredSetting{Role: "app", Name: "app.current_tenant", Value: "x"})
	here := shop(catalog.StoredSetting{Role: "app", Database: "shop", Name: "app.current_tenant", Value: "x"})
	all := shop(catalog.StoredSetting{Name: "app.current_tenant", Value: "x"})
	for object, want := range map[string][3]bool{"shop": {false, true, true}, "app": {true, false, false},
		"other": {false, false, false}} {
		if got := [3]bool{changed(object, everywhere), changed(object, here), changed(object, all)}; got != want {
			t.Errorf("%s: changed by a setting everywhere, in the database, and of all roles: %v, want %v", object, got, want)
		}
	}
}
