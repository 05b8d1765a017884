package cli

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// provider is an identity provider as its how-to page describes it, and a stand-in that
// issues tokens of that shape, for two of its issuers.
type provider struct {
	page    string
	header  map[string]any // of its tokens, beside alg and kid
	method  jwt.SigningMethod
	key     crypto.Signer
	claims  map[string]any // of the page
	config  config.Config
	sql     string
	issuers [2]string
}

// fenced is the only block of a language on a page.
func fenced(t *testing.T, page, language string) string {
	t.Helper()
	found := regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(found) == 0 {
		return ""
	}
	if len(found) > 1 {
		t.Fatalf("%d blocks of %s", len(found), language)
	}
	return found[0][1]
}

// openProvider reads the page and starts the stand-in.
func openProvider(t *testing.T, page string, method jwt.SigningMethod, header map[string]any) *provider {
	t.Helper()
	text, err := os.ReadFile("../../docs/how-to/" + page)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{page: page, method: method, header: header, sql: fenced(t, string(text), "sql")}
	d := json.NewDecoder(strings.NewReader(fenced(t, string(text), "json")))
	d.UseNumber()
	if err := d.Decode(&p.claims); err != nil {
		t.Fatal(err)
	}
	if p.key, err = rsa.GenerateKey(rand.Reader, 2048); method == jwt.SigningMethodES256 {
		p.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	yaml := fenced(t, string(text), "yaml")
	issuer, err := url.Parse(p.claims["iss"].(string))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(p.serve))
	t.Cleanup(server.Close)
	for i := range p.issuers {
		p.issuers[i] = fmt.Sprintf("%s/%d%s", server.URL, i, issuer.Path)
	}
	origin := issuer.Scheme + "://" + issuer.Host
	yaml = strings.ReplaceAll(yaml, origin, server.URL+"/0")
	if p.config, err = config.Parse([]byte(yaml + "tables: {schemas: [app]}\n")); err != nil {
		t.Fatal(err)
	}
	return p
}

// serve answers with the key set and where it is.
func (p *provider) serve(w http.ResponseWriter, r *http.Request) {
	issuer, found := strings.CutSuffix("http://"+r.Host+r.URL.Path, "/.well-known/openid-configuration")
	if found {
		if strings.HasSuffix(p.issuers[0], "/") {
			issuer += "/"
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": issuer, "jwks_uri": "http://" + r.Host + "/keys"})
		return
	}
	key, err := jwkset.NewJWKFromKey(p.key.Public(), jwkset.JWKOptions{Metadata: jwkset.JWKMetadataOptions{KID: "k1",
		USE: jwkset.UseSig}})
	if err != nil {
		panic(err)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{key.Marshal()}})
}

// tenantAt is where the tenant is in the claims: its object, and the name in that. The
// name of Keycloak's object is the tenant itself.
func (p *provider) tenantAt(claims map[string]any) (object map[string]any, name string) {
	path := p.config.Auth.Issuers[0].TenantClaim
	if _, whole := claims[path]; whole {
		return claims, path
	}
	first, rest, _ := strings.Cut(path, ".")
	return claims[first].(map[string]any), rest
}

// tenant is what the page's token says of the tenant.
func (p *provider) tenant() string {
	object, name := p.tenantAt(p.claims)
	if organizations, ok := object[name].(map[string]any); ok {
		for alias := range organizations {
			return alias
		}
	}
	return object[name].(string)
}

// token is one of the page's shape for a tenant and a subject.
func (p *provider) token(t *testing.T, issuer int, tenant, subject string, expires time.Duration,
	change func(map[string]any)) string {
	t.Helper()
	var claims map[string]any
	text, err := json.Marshal(p.claims)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		t.Fatal(err)
	}
	claims["iss"] = p.issuers[issuer]
	if c := p.config.Auth.Issuers[0].SubjectClaim; c != "" {
		claims[c] = subject
	} else {
		claims["sub"] = subject
	}
	for _, name := range []string{"iat", "nbf"} {
		if _, has := claims[name]; has {
			claims[name] = time.Now().Add(expires - time.Hour).Unix()
		}
	}
	claims["exp"] = time.Now().Add(expires).Unix()
	object, name := p.tenantAt(claims)
	if _, ok := object[name].(map[string]any); ok {
		object[name] = map[string]any{tenant: map[string]any{}}
	} else {
		object[name] = tenant
	}
	if change != nil {
		change(claims)
	}
	made := jwt.NewWithClaims(p.method, jwt.MapClaims(claims))
	maps.Copy(made.Header, p.header)
	made.Header["kid"] = "k1"
	signed, err := made.SignedString(p.key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// open serves a database in which acme and gamma, which is suspended, are the first
// issuer's, and beta the second's. ann is a member of all three, by both issuers.
func (p *provider) open(t *testing.T, d *pgtest.Database) (s *service, tenants map[string]string) {
	t.Helper()
	d.Exec(t, "truncate app.members")
	tenants = map[string]string{"acme": acme, "beta": beta, "gamma": gamma, "unknown": omega}
	if lookedUp := p.config.Auth.Issuers[0].TenantLookup; lookedUp != "" {
		d.Exec(t, p.sql)
		d.Exec(t, "grant select on app.tenants to "+d.Roles["app"])
		lookup(t, d, lookedUp)
		tenants = map[string]string{"acme": p.tenant(), "beta": p.tenant() + "-b", "gamma": p.tenant() + "-c",
			"unknown": p.tenant() + "-d"}
		for name, id := range map[string]string{"acme": acme, "beta": beta, "gamma": gamma} {
			d.Exec(t, fmt.Sprintf("update app.tenants set %s = '%s' where id = '%s'", lookedUp, tenants[name], id))
		}
	} else if p.tenant() != acme {
		t.Fatalf("the page's tenant is %s", p.tenant())
	}
	for _, issuer := range p.issuers {
		for _, id := range []string{acme, beta, gamma} {
			d.Exec(t, fmt.Sprintf("insert into app.members values ('%s', '%s', 'ann', 'admin')", id, issuer))
		}
	}
	c := p.config
	second := c.Auth.Issuers[0]
	second.Issuer = p.issuers[1]
	c.Auth.Issuers[0].Tenants = config.Speaks{List: []string{acme, gamma}}
	second.Tenants = config.Speaks{List: []string{beta}}
	c.Auth.Issuers = []config.Issuer{c.Auth.Issuers[0], second}
	c.Caller.Issuer = "issuer"
	s, err := openService(t.Context(), &service{config: c, appURL: d.As(t, d.Roles["app"]), check: true,
		log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s, tenants
}

// Six identity providers, as their pages say, and what becomes of each kind of token.
func TestIdentityProviders(t *testing.T) {
	t.Parallel()
	for page, p := range map[string]struct {
		method jwt.SigningMethod
		header map[string]any
	}{
		"sign-in-with-keycloak.md":      {jwt.SigningMethodRS256, map[string]any{"typ": "JWT"}},
		"sign-in-with-auth0.md":         {jwt.SigningMethodRS256, map[string]any{"typ": "at+jwt"}},
		"sign-in-with-clerk.md":         {jwt.SigningMethodRS256, map[string]any{"typ": "JWT", "cat": "cl_B7d4PD111AAA"}},
		"sign-in-with-supabase-auth.md": {jwt.SigningMethodES256, map[string]any{"typ": "JWT"}},
		"sign-in-with-entra-id.md":      {jwt.SigningMethodRS256, map[string]any{"typ": "JWT"}},
		"sign-in-with-zitadel.md":       {jwt.SigningMethodRS256, map[string]any{"typ": "JWT"}},
	} {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			pgtest.Full(t, "sign-in-with-keycloak.md", "sign-in-with-supabase-auth.md") // RS256 and ES256
			matrix(t, openProvider(t, page, p.method, p.header))
		})
	}
}

func matrix(t *testing.T, p *provider) {
	s, tenants := p.open(t, speaksDatabase(t))
	delete1 := func(name string) func(map[string]any) { return func(c map[string]any) { delete(c, name) } }
	another := func(c map[string]any) { c["aud"] = "another" }
	none := func(c map[string]any) {
		object, name := p.tenantAt(c)
		delete(object, name)
	}
	for name, c := range map[string]struct {
		issuer          int
		tenant, subject string
		expires         time.Duration
		change          func(map[string]any)
		status          int
		answer          string // the document, or the code and a part of the message
	}{
		"right":               {0, "acme", "ann", time.Hour, nil, 200, "of Acme"},
		"right, the second's": {1, "beta", "ann", time.Hour, nil, 200, "of Beta"},
		"expired":             {0, "acme", "ann", -time.Minute, nil, 401, "PGRST303 JWT expired"},
		"foreign issuer":      {1, "acme", "ann", time.Hour, nil, 403, "MOAT103 "},
		"foreign tenant":      {0, "beta", "ann", time.Hour, nil, 403, "MOAT103 "},
		"not a member":        {0, "acme", "eve", time.Hour, nil, 403, "MOAT103 "},
		"suspended":           {0, "gamma", "ann", time.Hour, nil, 403, "MOAT104 "},
		"suspended, no member": {0, "gamma", "eve", time.Hour, nil, 403,
			"MOAT103 "},
		"unknown":          {0, "unknown", "ann", time.Hour, nil, 403, "MOAT103 "},
		"another audience": {0, "acme", "ann", time.Hour, another, 401, "PGRST303 JWT not in audience"},
		"no expiry":        {0, "acme", "ann", time.Hour, delete1("exp"), 401, "PGRST301 JWT invalid"},
		"no tenant":        {0, "acme", "ann", time.Hour, none, 403, "MOAT102 "},
	} {
		w := s.get(docs, p.token(t, c.issuer, tenants[c.tenant], c.subject, c.expires, c.change))
		var rows []struct{ Title string }
		var refused struct{ Code, Message string }
		got := ""
		if json.Unmarshal(w.Body.Bytes(), &rows) == nil && len(rows) == 1 {
			got = rows[0].Title
		} else if json.Unmarshal(w.Body.Bytes(), &refused) == nil {
			got = refused.Code + " " + refused.Message
		}
		if w.Code != c.status || !strings.HasPrefix(got, c.answer) {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, w.Body, c.status, c.answer)
		}
	}
	// Unknown, foreign and not a member answer alike, to the letter.
	var texts []string
	for _, one := range [][2]string{{"unknown", "ann"}, {"beta", "ann"}, {"acme", "eve"}, {"gamma", "eve"}} {
		texts = append(texts, s.get(docs, p.token(t, 0, tenants[one[0]], one[1], time.Hour, nil)).Body.String())
	}
	for _, text := range texts {
		if text != texts[0] {
			t.Errorf("answers differ: %s, %s", texts[0], text)
		}
	}
}
