package policy

import (
	"fmt"
	"strings"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/sqltext"
)

// SetTenantFunction binds a scope where tables are spread over several servers by Citus.
const SetTenantFunction = "moat.set_tenant(text, text, text, text)"

// Facts are the settings that a scope's facts go into; moat.NotSent for one that no setting
// has.
type Facts struct{ Tenant, Subject, Role, Claims string }

// SetTenant writes the function. Citus passes on to its other servers what SET LOCAL sets
// while citus.propagate_set_commands is local, and nothing that set_config does. Once servers
// have a tenant, a second one in the same transaction may not reach all of them: it is
// refused. An empty fact is set only over one that is there.
func SetTenant(f Facts) string {
	var set strings.Builder
	facts := []struct{ setting, value string }{{f.Subject, "subject"}, {f.Role, "role"}, {f.Claims, "claims"}}
	for _, fact := range facts {
		if fact.setting == moat.NotSent {
			continue
		}
		fmt.Fprintf(&set, "  IF %[1]s <> '' OR coalesce(current_setting(%[2]s, true), '') <> '' THEN\n"+
			"    EXECUTE format('SET LOCAL %%s = %%L', %[2]s, %[1]s);\n  END IF;\n", "set_tenant."+fact.value,
			sqltext.Literal(fact.setting))
	}
	body := fmt.Sprintf(`
DECLARE
  bound text := coalesce(current_setting(%[1]s, true), '');
BEGIN
  IF coalesce(tenant, '') = '' THEN
    RAISE EXCEPTION 'no tenant' USING ERRCODE = '22023';
  END IF;
  IF bound <> '' AND bound <> tenant THEN
    RAISE EXCEPTION 'another tenant is set in this transaction' USING ERRCODE = '25001';
  END IF;
  EXECUTE format('SET LOCAL %%s = %%L', %[1]s, tenant);
%[2]sEND`, sqltext.Literal(f.Tenant), set.String())
	return "CREATE OR REPLACE FUNCTION moat.set_tenant(tenant text, subject text DEFAULT '', role text DEFAULT '',\n" +
		"    claims text DEFAULT '')\n  RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp\n" +
		"  SET citus.propagate_set_commands = 'local' AS " + sqltext.Dollar(body)
}

// SetsTenant reports whether the function is there as SetTenant writes it.
func (v *View) SetsTenant(f Facts) bool {
	for _, fn := range v.Functions(catalog.QName{Schema: catalog.OwnSchema, Name: "set_tenant"}) {
		if strings.Contains(SetTenant(f), fn.Body) && fn.Body != "" {
			return true
		}
	}
	return false
}

// TokenSetting is what a transaction on a connection of moat proxy for all tenants names
// its tenant with, by a token.
const TokenSetting = "moat.tenant_token"

// NameTenant names a transaction's tenant by a token, to moat proxy: PostgreSQL itself
// takes it for a setting that means nothing.
func NameTenant(token string) string {
	return "SET LOCAL " + TokenSetting + " = " + sqltext.Literal(token)
}
