package proxy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/moat-db/moat"
)

// noTenant is a statement that empties what a binding sets.
func noTenant(o *moat.Options) ([]moat.Statement, error) {
	names, err := settingNames(o)
	if err != nil {
		return nil, err
	}
	calls := make([]string, len(names))
	for i, name := range names {
		calls[i] = fmt.Sprintf("pg_catalog.set_config('%s', '', true)", name)
	}
	return []moat.Statement{{SQL: "select " + strings.Join(calls, ", ")}}, nil
}

// settingNames are the settings that are bound.
func settingNames(o *moat.Options) ([]string, error) {
	named := *o
	named.TenantType = moat.Text // any text is a tenant of this type
	settings, err := moat.Settings(moat.Scope{Tenant: "0"}, &named)
	return slices.Sorted(maps.Keys(settings)), err
}
