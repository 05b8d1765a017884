package config

import (
	"strings"
	"testing"
)

// Policies compare the subject alone, so that all of a caller's tenants at once would be
// those of another issuer's namesake too.
func TestAllTenantsOfACallerNeedOneIssuer(t *testing.T) {
	t.Parallel()
	one := "{issuer: 'https://a.test', audience: x, secret_file: s, tenants: all}"
	two := "{issuer: 'https://b.test', audience: x, secret_file: s, tenants: all}"
	for issuers, want := range map[string]string{one: "", one + ", " + two: "single issuer"} {
		c, err := Parse([]byte("auth: {issuers: [" + issuers + "]}\n" +
			"caller: {table: app.members, subject: s, tenant: t, issuer: i, mode: all}\n"))
		if err != nil {
			t.Fatal(err)
		}
		err = c.CheckIssuers()
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", issuers, err)
		}
	}
}
