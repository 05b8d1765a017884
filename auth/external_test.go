package auth

import (
	"errors"
	"strings"
	"testing"
)

// A claim that names the tenant in the issuer's own words, in the forms that providers have.
func TestExternal(t *testing.T) {
	t.Parallel()
	c := newClock()
	const id = "org_2abcDEF"
	object := func(pairs ...any) map[string]any {
		out := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i].(string)] = pairs[i+1]
		}
		return out
	}
	for _, tt := range []struct {
		claim string
		value map[string]any
		want  string // "" for refused
	}{
		{"org_id", object("org_id", id), id},
		{"o.id", object("o", object("id", id, "rol", "admin")), id},
		{"https://example.com/org", object("https://example.com/org", id), id},
		{"org", object("org", []any{id}), id},
		{"organization", object("organization", object(id, object())), id},
		{"organization.*.id", object("organization", object("acme", object("id", id))), id},
		{"organization", object("organization", []any{id}), id},
		{"org", object("org", []any{id, "org_2"}), ""},
		{"org", object("org", []any{}), ""},
		{"organization", object("organization", object(id, object(), "other", object())), ""},
		{"organization.*.id", object("organization", object("a", object("id", id), "b", object("id", id))), ""},
		{"organization.*.id", object("organization", object()), ""},
		{"org", object("org", 42), ""}, {"org", object("org", []any{[]any{id}}), ""}, {"org", object("org", ""), ""},
		{"org", object(), ""},
	} {
		config := issuer1(func(ic *IssuerConfig) { ic.TenantClaim, ic.External = tt.claim, true })
		config.Now = c.now
		v := newVerifier(t, config)
		token := hs256(with(goodClaims(c), tt.value))
		if tt.want == "" {
			refuses(t, v, token, NoTenant, "tenant claim")
			continue
		}
		if got := accepts(t, v, token); got.External != tt.want || got.Tenant != "" {
			t.Errorf("%s: %q, tenant %q", tt.claim, got.External, got.Tenant)
		}
	}
}

// Without an audience a token must have none, and be given to one of the clients.
func TestNoAudience(t *testing.T) {
	t.Parallel()
	c := newClock()
	config := issuer1(func(ic *IssuerConfig) {
		ic.Audience, ic.NoAudience, ic.Clients = nil, true, []string{"https://app.example", "cli"}
	})
	config.Now = c.now
	v := newVerifier(t, config)
	none := with(goodClaims(c), map[string]any{"aud": nil})
	for _, client := range []map[string]any{{"azp": "https://app.example"}, {"client_id": "cli"},
		{"azp": "cli", "client_id": "cli"}} {
		accepts(t, v, hs256(with(none, client)))
	}
	for _, wrong := range []map[string]any{{}, {"azp": "https://evil.example"}, {"client_id": "x"}, {"azp": ""},
		{"azp": "cli", "client_id": "x"}, {"azp": "CLI"}} {
		refuses(t, v, hs256(with(none, wrong)), Audience, "azp or client_id")
	}
	refuses(t, v, hs256(with(none, map[string]any{"azp": []string{"cli"}})), Invalid, "claims")
	for _, aud := range []any{"moat", []string{}, []string{"cli"}, ""} {
		refuses(t, v, hs256(with(none, map[string]any{"azp": "cli", "aud": aud})), Audience, "aud")
	}
}

// Clients narrow an audience as well.
func TestClients(t *testing.T) {
	t.Parallel()
	c := newClock()
	config := issuer1(func(ic *IssuerConfig) { ic.Clients = []string{"app"} })
	config.Now = c.now
	v := newVerifier(t, config)
	accepts(t, v, hs256(with(goodClaims(c), map[string]any{"azp": "app"})))
	refuses(t, v, hs256(goodClaims(c)), Audience, "azp or client_id")
	refuses(t, v, hs256(with(goodClaims(c), map[string]any{"azp": "app", "aud": "x"})), Audience, "aud")
	for want, change := range map[string]func(*IssuerConfig){
		"no clients":              func(ic *IssuerConfig) { ic.Audience, ic.NoAudience = nil, true },
		"tokens that have none":   func(ic *IssuerConfig) { ic.NoAudience, ic.Clients = true, []string{"x"} },
		"a client without a name": func(ic *IssuerConfig) { ic.Clients = []string{""} },
	} {
		if _, err := New(t.Context(), issuer1(change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// The log learns what was expected and what came, of public facts only.
func TestRefusalFacts(t *testing.T) {
	t.Parallel()
	c := newClock()
	config := issuer1(nil)
	config.Now = c.now
	v := newVerifier(t, config)
	for _, tt := range []struct {
		change        map[string]any
		expected, got string
	}{
		{map[string]any{"aud": []string{"x", "y"}}, "moat", "x, y"},
		{map[string]any{"iss": "https://evil.example"}, issuerA, "https://evil.example"},
		{map[string]any{"exp": c.in(-2 * 3600e9)}, "later than 2030-01-02T03:04:05Z", "2030-01-02T01:04:05Z"},
		{map[string]any{"tenant_id": "private words"}, "one uuid at tenant_id", "a text of another form"},
		{map[string]any{"aud": strings.Repeat("é", 500)}, "moat", strings.Repeat("é", 100) + "…"},
	} {
		_, err := v.Verify(t.Context(), hs256(with(goodClaims(c), tt.change)))
		var refused *TokenError
		if !errors.As(err, &refused) || refused.Expected != tt.expected || refused.Got != tt.got {
			t.Errorf("%v: %+v", tt.change, refused)
		}
		if strings.Contains(err.Error(), tt.got) {
			t.Errorf("the error itself says %q", err)
		}
	}
}
