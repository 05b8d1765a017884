package unverified

import (
	"net/http"

	"github.com/moat-db/moat"
)

func vulnerable(r *http.Request) {
	ctx := r.Context()
	moat.WithScope(ctx, moat.Scope{Tenant: moat.Tenant(r.Header.Get("X-Tenant"))}) // want `the scope's tenant comes from a request`
	id := r.PathValue("tenant")
	use(moat.Scope{moat.Tenant(id)}) // want `the scope's tenant comes from a request`
	tenant := moat.Tenant(r.URL.Query().Get("tenant"))
	use(moat.Scope{Tenant: tenant})                                  // want `the scope's tenant comes from a request`
	use(moat.Scope{Tenant: moat.Tenant(r.URL.Query()["tenant"][0])}) // want `the scope's tenant comes from a request`
	var s moat.Scope
	s.Tenant = moat.Tenant(r.Header["X-Tenant"][0]) // want `the scope's tenant comes from a request`
	use(s)
}

func use(moat.Scope) {}

type identity struct{ Tenant string }

func verify(token string) (identity, error) { return identity{}, nil }

func fine(r *http.Request, known map[string]string) {
	id, _ := verify(r.Header.Get("Authorization"))
	use(moat.Scope{Tenant: moat.Tenant(id.Tenant)})
	use(moat.Scope{Tenant: "11111111-1111-4111-8111-111111111111"})
	asked := moat.Tenant(r.PathValue("tenant"))
	if known[string(asked)] != "" {
		tenant := known["x"]
		use(moat.Scope{Tenant: moat.Tenant(tenant)})
	}
}
