package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/moat-db/moat"
)

// Defaults and bounds of a [Config].
const (
	DefaultLeeway      = 30 * time.Second
	MaxLeeway          = 5 * time.Minute
	DefaultCacheSize   = 10_000
	DefaultCacheMaxAge = 5 * time.Minute
)

// Config configures a [Verifier]. Only Issuers is required.
type Config struct {
	// Issuers are the issuers whose tokens are accepted; at least one, each named once.
	Issuers []IssuerConfig
	// TenantType is the type of the tenant column; zero means uuid.
	TenantType moat.TenantType
	// AllowWithoutTenant accepts a token that has no tenant claim, as an Identity
	// whose Tenant is empty. A tenant claim that is there and wrong is refused all
	// the same. Zero means that every token needs a tenant.
	AllowWithoutTenant bool
	// CacheSize is how many verified tokens are remembered, and of 16 times as many that
	// their signature was good; zero means [DefaultCacheSize], negative means none.
	CacheSize int
	// CacheMaxAge is how long a verified token is remembered at most, and never
	// beyond its expiry; zero means [DefaultCacheMaxAge].
	CacheMaxAge time.Duration
	// HTTPClient fetches key sets and discovery documents; nil means a client of its
	// own. It follows no redirect, and a zero Timeout becomes 10 s.
	HTTPClient *http.Client
	// StartWithoutKeys has New return although the key set of a URL was not read yet. It
	// is fetched in the background until it was, its tokens get [ErrNoKeys] meanwhile, and
	// [Verifier.Waiting] names the issuer. Zero means that New fails without it.
	StartWithoutKeys bool
	// Keys verifies API keys, which begin with [KeyPrefix]. It is asked for each request, so
	// that a key can be revoked; its errors are returned as they are. Nil refuses them.
	Keys func(ctx context.Context, key string) (Identity, error)
	// OnRefreshError is called when a key set cannot be fetched; the keys that were read
	// before stay in use. It may be called from any goroutine. Nil means not reported.
	OnRefreshError func(issuer string, err error)
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
}

// IssuerConfig is one issuer of tokens. Issuer, Audience and exactly one source of
// keys (Secret, SecretFile, PEM, PEMFile, JWKSFile, JWKSURL, Discovery) are required.
type IssuerConfig struct {
	// Issuer is the exact iss claim of its tokens (RFC 7519, 4.1.1).
	Issuer string
	// Audience lists what a token's aud claim must name one of (RFC 7519, 4.1.3).
	Audience []string
	// NoAudience is for an issuer whose tokens have no aud claim: only those are accepted,
	// and Clients says for whom they are. It takes the place of Audience.
	NoAudience bool
	// Clients lists the clients whose tokens are accepted, by the azp claim (OpenID Connect
	// Core 1.0, 2) or the client_id claim (RFC 9068, 2.2); by both where a token has both.
	// Empty means that neither is looked at.
	Clients []string

	// Secret is the key shared with the issuer, as raw bytes: at least 32 for HS256,
	// 48 for HS384 and 64 for HS512 (RFC 7518, 3.2).
	Secret Secret
	// SecretFile is a file that holds the secret; one newline at its end is dropped.
	SecretFile string
	// PEM is a public key (PKIX or PKCS #1) or a certificate (RFC 7468).
	PEM string
	// PEMFile is a file that holds such a PEM block.
	PEMFile string
	// JWKSFile is a file that holds a JSON Web Key Set (RFC 7517), read once.
	JWKSFile string
	// JWKSURL serves a JSON Web Key Set; https, or http on a loopback address. It is
	// fetched by New, every [RefreshInterval], and for a token whose key is unknown or
	// does not fit, but at most once in [UnknownKeyInterval].
	JWKSURL string
	// Discovery reads the address of the key set from Issuer +
	// "/.well-known/openid-configuration" (OpenID Connect Discovery 1.0, 4).
	Discovery bool

	// Algorithms are the accepted alg values (RFC 7518, 3.1; RFC 8037). Empty means
	// one for each key: what its JWK declares, else HS256 for a secret, RS256 for an
	// RSA key, ES256, ES384 or ES512 by curve, EdDSA for an Ed25519 key.
	Algorithms []string
	// TenantClaim is where the tenant is; empty means "tenant_id". A claim of exactly
	// this name is tried first ("https://example.com/tenant"), then the path of
	// members between the dots ("app_metadata.tenant_id"), in which * is the only member
	// of an object ("organization.*.id"). A list of one stands for its element and an
	// object of one member for its name; of several nobody can tell which is meant.
	TenantClaim string
	// External says that the claim is not the tenant but a name that the issuer has for it:
	// it becomes [Identity.External]. Zero means that it is the tenant.
	External bool
	// RoleClaim is where the role is, in the same way; empty means "role". A token
	// without it has no role.
	RoleClaim string
	// SubjectClaim is where the subject is, in the same way; empty means "sub".
	SubjectClaim string
	// Leeway is how far clocks may differ; zero means [DefaultLeeway], negative means
	// not at all. More than [MaxLeeway] is an error.
	Leeway time.Duration
}

// Secret is a shared key that does not show itself when printed.
type Secret string

// String returns a fixed text, never the secret.
func (Secret) String() string { return "[secret]" }

// GoString returns a fixed text, never the secret.
func (Secret) GoString() string { return "[secret]" }

// MarshalText returns a fixed text, never the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

func (c Config) withDefaults() Config {
	if c.CacheSize == 0 {
		c.CacheSize = DefaultCacheSize
	}
	if c.CacheMaxAge == 0 {
		c.CacheMaxAge = DefaultCacheMaxAge
	}
	if c.TenantType == "" {
		c.TenantType = moat.UUID
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Issuers = slices.Clone(c.Issuers)
	for i := range c.Issuers {
		c.Issuers[i] = c.Issuers[i].withDefaults()
	}
	return c
}

func (ic IssuerConfig) withDefaults() IssuerConfig {
	if ic.TenantClaim == "" {
		ic.TenantClaim = "tenant_id"
	}
	if ic.RoleClaim == "" {
		ic.RoleClaim = "role"
	}
	if ic.SubjectClaim == "" {
		ic.SubjectClaim = "sub"
	}
	if ic.Leeway == 0 {
		ic.Leeway = DefaultLeeway
	}
	ic.Leeway = max(ic.Leeway, 0)
	return ic
}

func (c Config) validate() error {
	var errs []error
	switch c.TenantType {
	case moat.UUID, moat.BigInt, moat.Integer, moat.Text:
	default:
		errs = append(errs, fmt.Errorf("tenant type %q is none of uuid, bigint, integer, text", c.TenantType))
	}
	if c.CacheMaxAge < 0 {
		errs = append(errs, errors.New("cache max age is negative"))
	}
	if len(c.Issuers) == 0 {
		errs = append(errs, errors.New("no issuer is configured"))
	}
	first := map[string]int{}
	for i, ic := range c.Issuers {
		if err := ic.validate(); err != nil {
			errs = append(errs, ic.wrap(i, err))
		}
		if j, ok := first[ic.Issuer]; ok && ic.Issuer != "" {
			errs = append(errs, ic.wrap(i, fmt.Errorf("the same issuer as issuers[%d]", j)))
			continue
		}
		first[ic.Issuer] = i
	}
	return errors.Join(errs...)
}

// wrap says which issuer an error is about, by its place and its name.
func (ic IssuerConfig) wrap(i int, err error) error {
	if ic.Issuer == "" {
		return fmt.Errorf("issuers[%d]: %w", i, err)
	}
	return fmt.Errorf("issuers[%d] (%s): %w", i, ic.Issuer, err)
}

func (ic IssuerConfig) validate() error {
	var errs []error
	if ic.Issuer == "" {
		errs = append(errs, errors.New("no issuer: the iss claim that its tokens carry"))
	}
	if err := ic.validateAudience(); err != nil {
		errs = append(errs, err)
	}
	if err := ic.validateKeySource(); err != nil {
		errs = append(errs, err)
	}
	for _, alg := range ic.Algorithms {
		if !slices.Contains(allAlgorithms(), alg) {
			errs = append(errs, fmt.Errorf("algorithm %q is not supported", alg))
		}
	}
	if ic.Leeway > MaxLeeway {
		errs = append(errs, fmt.Errorf("leeway %s is more than %s", ic.Leeway, MaxLeeway))
	}
	return errors.Join(errs...)
}

func (ic IssuerConfig) validateAudience() error {
	switch {
	case slices.Contains(ic.Clients, ""):
		return errors.New("a client without a name")
	case ic.NoAudience && len(ic.Audience) > 0:
		return errors.New("an audience for tokens that have none")
	case ic.NoAudience && len(ic.Clients) == 0:
		return errors.New("no clients: without an audience, the azp or client_id claims of the tokens that are meant")
	case !ic.NoAudience && (len(ic.Audience) == 0 || slices.Contains(ic.Audience, "")):
		return errors.New("no audience: an aud claim that its tokens carry")
	}
	return nil
}

func (ic IssuerConfig) validateKeySource() error {
	given := 0
	for _, set := range []bool{
		ic.Secret != "", ic.SecretFile != "", ic.PEM != "", ic.PEMFile != "",
		ic.JWKSFile != "", ic.JWKSURL != "", ic.Discovery,
	} {
		if set {
			given++
		}
	}
	const sources = "secret, secret file, PEM, PEM file, JWKS file, JWKS URL, discovery"
	switch given {
	case 0:
		return errors.New("no key: give one of " + sources)
	case 1:
		return nil
	}
	return errors.New("several keys: give only one of " + sources)
}
