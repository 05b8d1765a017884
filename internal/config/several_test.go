package config

import (
	"slices"
	"strings"
	"testing"
)

// With several issuers a member is a subject of one of them: two may give the same subject to
// two people.
func TestMembersOfSeveralIssuersNameThem(t *testing.T) {
	t.Parallel()
	const issuers = "auth: {issuers: [" +
		"{issuer: 'https://a.test', audience: x, secret_file: s, tenants: all, tenant_lookup: slug}, " +
		"{issuer: 'https://b.test', audience: x, secret_file: s, tenants: all, tenant_lookup: org}]}\n"
	for _, mode := range []string{"active", "all"} {
		for column, want := range map[string]string{"issuer: i, ": "", "": "caller.issuer"} {
			c, err := Parse([]byte(issuers + "caller: {table: app.members, subject: s, tenant: t, " + column + "mode: " + mode +
				"}\n"))
			if err != nil {
				t.Fatal(err)
			}
			err = c.CheckIssuers()
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s, %q: %v", mode, column, err)
			}
			if names := c.Shapes().Names; !slices.Equal(names, []string{"org", "slug"}) {
				t.Errorf("names of tenants: %q", names)
			}
			if named := c.Shapes().Issuer; (named == "app.issuer") != (column != "") {
				t.Errorf("%s, %q: the issuer's setting is %q", mode, column, named)
			}
		}
	}
}
