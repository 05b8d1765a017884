package audit_test

import (
	"slices"
	"testing"

	"github.com/moat-db/moat/audit"
	"github.com/moat-db/moat/catalog"
)

// BYPASSRLS is reached by SET ROLE alone: a membership that only inherits is none.
func TestMembershipsThatReachBypass(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		edge catalog.Membership
		want string
	}{
		"set":          {catalog.Membership{Role: "ops", Member: "web", Set: true}, "role-reaches-bypass"},
		"inherit only": {catalog.Membership{Role: "ops", Member: "web", Inherit: true}, ""},
		"admin only":   {catalog.Membership{Role: "ops", Member: "web", Admin: true}, "role-admin-option"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, m := vulnerable()
			s.Roles = append(s.Roles, catalog.Role{Name: "ops", BypassRLS: true})
			s.Memberships = []catalog.Membership{test.edge}
			got := rulesOf(audit.Run(view(s, m), audit.Options{}))
			for _, rule := range []string{"role-reaches-bypass", "role-admin-option"} {
				if slices.Contains(got, rule) != (rule == test.want) {
					t.Errorf("findings %v, want %q", got, test.want)
				}
			}
		})
	}
}
