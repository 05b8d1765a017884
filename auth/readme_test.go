package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

func serve(ctx context.Context, listener net.Listener, url string, issuer auth.IssuerConfig) error {
	db, err := moat.Open(ctx, url, nil) // refuses a role that row-level security does not bind
	if err != nil {
		return err
	}
	defer db.Close()
	verifier, err := auth.New(ctx, auth.Config{Issuers: []auth.IssuerConfig{issuer}})
	if err != nil {
		return err
	}
	leads := func(w http.ResponseWriter, r *http.Request) {
		rows, _ := db.Query(r.Context(), "SELECT name FROM leads") // the token's tenant's, in one round trip
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		fmt.Fprintln(w, names, err)
	}
	return http.Serve(listener, auth.Middleware(verifier, auth.MiddlewareOptions{})(http.HandlerFunc(leads)))
}

// README's program is the function above, to the letter.
func TestReadmeHasThisProgram(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("readme_test.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(source), "\nfunc serve(")
	program, _, _ = strings.Cut(program, "\n}\n")
	if !strings.Contains(string(readme), "```go\nfunc serve("+program+"\n}\n```\n") {
		t.Error("README's Go program is another than serve in readme_test.go")
	}
}

const readmeTenant = moat.Tenant("aaaaaaaa-0000-4000-8000-000000000001")

const readmeSchema = `create table leads (tenant_id uuid not null, name text not null);
insert into leads values ('aaaaaaaa-0000-4000-8000-000000000001', 'own'),
	('bbbbbbbb-0000-4000-8000-000000000002', 'foreign');
create policy tenant_isolation on leads as restrictive
	using (tenant_id = (select nullif(current_setting('app.current_tenant', true), '')::uuid));
create policy tenant_access on leads to %[1]s using (true);
alter table leads enable row level security; alter table leads force row level security;
grant select on leads to %[1]s`

// It runs with a token of each kind of issuer, as its tenant, subject and role.
func TestReadmeProgramTakesTokensOfEachKind(t *testing.T) {
	t.Parallel()
	d := pgtest.New(t)
	app := d.AppRole(t)
	d.Exec(t, fmt.Sprintf(readmeSchema, app))
	for name, issuer := range readmeIssuers(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- serve(context.Background(), listener, d.As(t, app), issuer.config) }()
			t.Cleanup(func() { _ = listener.Close(); <-ended })
			if got := ask(t, listener, issuer.token); got != "200 [own] <nil>\n" {
				t.Errorf("with a token: %s", got)
			}
			if got := ask(t, listener, issuer.token+"x"); !strings.HasPrefix(got, "401 ") {
				t.Errorf("with a forged token: %s", got)
			}
		})
	}
}

func ask(t *testing.T, listener net.Listener, token string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(response.StatusCode, " ", string(body))
}

// readmeIssuer is how a program knows an issuer, and a token of it.
type readmeIssuer struct {
	config auth.IssuerConfig
	token  string
}

func readmeIssuers(t *testing.T) map[string]readmeIssuer {
	t.Helper()
	const secret = "only-for-this-test-0123456789abcdef"
	private, public := keyPair(t)
	keys := httptest.NewServer(nil)
	t.Cleanup(keys.Close)
	signer := newReadmeSigner(t, private, keys.URL)
	set, err := signer.JWKS()
	if err != nil {
		t.Fatal(err)
	}
	keys.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/openid-configuration") {
			fmt.Fprintf(w, `{"issuer": %q, "jwks_uri": %q}`, keys.URL, keys.URL+"/keys")
			return
		}
		_, _ = w.Write(set)
	})
	out := map[string]readmeIssuer{}
	add := func(name string, signer *auth.Signer, config auth.IssuerConfig) {
		config.Issuer, config.Audience = keys.URL, []string{"moat"}
		out[name] = readmeIssuer{config, readmeToken(t, signer)}
	}
	shared := newReadmeSigner(t, secret, keys.URL)
	add("secret", shared, auth.IssuerConfig{Secret: secret})
	add("secret in a file", shared, auth.IssuerConfig{SecretFile: file(t, secret)})
	add("public key", signer, auth.IssuerConfig{PEM: public})
	add("public key in a file", signer, auth.IssuerConfig{PEMFile: file(t, public)})
	add("key set in a file", signer, auth.IssuerConfig{JWKSFile: file(t, string(set))})
	add("address of a key set", signer, auth.IssuerConfig{JWKSURL: keys.URL + "/keys"})
	add("discovery", signer, auth.IssuerConfig{Discovery: true})
	return out
}

func newReadmeSigner(t *testing.T, key auth.Secret, issuer string) *auth.Signer {
	t.Helper()
	signer, err := auth.NewSigner(auth.SignerConfig{Key: key, Issuer: issuer, Audience: "moat"})
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func readmeToken(t *testing.T, signer *auth.Signer) string {
	t.Helper()
	token, err := signer.Sign(auth.Identity{Tenant: readmeTenant, Subject: "ana", Role: "admin"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func keyPair(t *testing.T) (private auth.Secret, public string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	privateDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	publicDER, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	return auth.Secret(block("PRIVATE KEY", privateDER)), string(block("PUBLIC KEY", publicDER))
}

func file(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
