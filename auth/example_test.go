package auth_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
)

// A server that lets in only who brings a token, and knows its tenant.
func Example() {
	const secret = "only-for-this-example-0123456789abcdef"
	verifier, err := auth.New(context.Background(), auth.Config{
		Issuers: []auth.IssuerConfig{{Issuer: "https://id.example.com", Audience: []string{"moat"}, Secret: secret}},
	})
	if err != nil {
		log.Fatal(err)
	}
	handler := auth.Middleware(verifier,
		auth.MiddlewareOptions{})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scope, _ := moat.ScopeFrom(r.Context())
		fmt.Fprintf(w, "%s of %s\n", scope.Subject, scope.Tenant)
	}))

	signer, err := auth.NewSigner(auth.SignerConfig{Key: secret, Issuer: "https://id.example.com", Audience: "moat"})
	if err != nil {
		log.Fatal(err)
	}
	token, err := signer.Sign(auth.Identity{Tenant: "5f3c1d7e-8f6a-4d0b-9a51-2f1f6f6c9a10", Subject: "ana"}, time.Hour)
	if err != nil {
		log.Fatal(err)
	}

	for _, authorization := range []string{"Bearer " + token, ""} {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		if authorization != "" {
			request.Header.Set("Authorization", authorization)
		}
		response := httptest.NewRecorder()
		handler.ServeHTTP(response, request)
		fmt.Print(response.Code, " ", response.Body)
	}
	// Output:
	// 200 ana of 5f3c1d7e-8f6a-4d0b-9a51-2f1f6f6c9a10
	// 401 {"code":"PGRST302","message":"Anonymous access is disabled","details":null,"hint":null}
}
