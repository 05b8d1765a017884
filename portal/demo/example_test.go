package demo_test

import (
	"context"
	"log"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/portal"
	"github.com/moat-db/moat/portal/demo"
)

// Show the portal with sample clients, for whom visitors sign in without a token.
func Example() {
	const url = "postgres://moat_app@127.0.0.1/sample"
	signer, err := auth.NewSigner(auth.SignerConfig{Key: auth.Secret("only-for-this-demonstration-012345"),
		Issuer: "demo", Audience: "moat"})
	if err != nil {
		log.Fatal(err)
	}
	hacked, err := moat.Open(context.Background(), url, &moat.Options{Paranoid: true})
	if err != nil {
		log.Fatal(err)
	}
	defer hacked.Close()
	demonstration := demo.Config{
		Clients: []demo.Client{{Name: "Acme", Tenant: "acme"}, {Name: "Bolt", Tenant: "bolt"}},
		Sign: func(tenant moat.Tenant, subject, role string, ttl time.Duration) (string, error) {
			return signer.Sign(auth.Identity{Tenant: tenant, Subject: subject, Role: role}, ttl)
		},
		BreakIn: hacked,
	}
	config := portal.Config{Extend: demonstration.Extend} // and DB, Verifier and Source
	_ = config
}
