package sprintf

import (
	"fmt"

	"github.com/moat-db/moat"
)

func vulnerable(tenant moat.Tenant, s moat.Scope) {
	use(fmt.Sprintf("select name from leads where tenant_id = '%s'", tenant))    // want `a tenant is written into a statement`
	use(fmt.Sprintf("delete from leads where tenant_id = %q", string(s.Tenant))) // want `a tenant is written into a statement`
	use("set app.current_tenant = '" + string(tenant) + "'")                     // want `a tenant is written into a statement`
	id := string(tenant)
	use("update leads set name = '' where tenant_id = '" + id + "'") // want `a tenant is written into a statement`
}

func use(string, ...any) {}

func fine(tenant moat.Tenant, table string) {
	use("select name from leads where tenant_id = $1", tenant)
	use(fmt.Sprintf("select name from %s where true", table))
	use(fmt.Sprintf("tenant %s is set up", tenant))
	use(fmt.Sprintf("psql -c \"SET app.current_tenant = '%s'\"", tenant)) // a line to copy
	use("exported for " + string(tenant))
}
