package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// SignerConfig configures a [Signer]. Key, Issuer and Audience are required.
type SignerConfig struct {
	// Algorithm is the alg of the tokens; empty means the default one of the key.
	Algorithm string
	// Key is a PEM private key (PKCS #8, SEC 1 or PKCS #1), else a shared secret.
	Key Secret
	// Issuer and Audience become the iss and aud claims.
	Issuer   string
	Audience string
	// TenantClaim is where the tenant goes, as in [IssuerConfig]; empty means
	// "tenant_id". A name with a slash or colon is one claim, a dot makes a path.
	TenantClaim string
	// RoleClaim is where the role goes, in the same way; empty means "role".
	RoleClaim string
	// KeyID is the kid header; empty means the thumbprint of the public key (RFC
	// 7638), and none for a shared secret.
	KeyID string
	// Now is the clock; nil means [time.Now].
	Now func() time.Time
}

// Signer signs tokens for development, tests and demonstrations. It is not an
// identity provider: it asks nobody who they are. It is safe for concurrent use.
type Signer struct {
	config SignerConfig
	method jwt.SigningMethod
	key    any
}

// NewSigner returns a Signer. It refuses a key that [New] would refuse.
func NewSigner(config SignerConfig) (*Signer, error) {
	if config.Issuer == "" || config.Audience == "" {
		return nil, errors.New("signer: issuer and audience are required")
	}
	key, err := parseSigningKey([]byte(config.Key))
	if err != nil {
		return nil, fmt.Errorf("signer: %w", err)
	}
	var configured []string
	if config.Algorithm != "" {
		configured = []string{config.Algorithm}
	}
	algorithms, err := chooseAlgorithms(publicOf(key), configured)
	if err != nil {
		return nil, fmt.Errorf("signer: %w", err)
	}
	if err := config.complete(key); err != nil {
		return nil, fmt.Errorf("signer: %w", err)
	}
	return &Signer{config: config, method: jwt.GetSigningMethod(algorithms[0]), key: key}, nil
}

func (c *SignerConfig) complete(key any) error {
	if c.TenantClaim == "" {
		c.TenantClaim = "tenant_id"
	}
	if c.RoleClaim == "" {
		c.RoleClaim = "role"
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if _, secret := key.([]byte); secret || c.KeyID != "" {
		return nil
	}
	var err error
	c.KeyID, err = thumbprint(publicOf(key))
	return err
}

// Sign returns a token that says what id says and is good from now for ttl. Members
// of id.Claims are carried over, except those that Sign itself sets; id.Issuer and
// id.Expires are ignored.
func (s *Signer) Sign(id Identity, ttl time.Duration) (string, error) {
	if ttl < time.Second {
		return "", errors.New("sign: a token must be good for a second at least")
	}
	payload := map[string]any{}
	if len(id.Claims) > 0 {
		var err error
		if payload, err = decodeObject(id.Claims); err != nil {
			return "", fmt.Errorf("sign: claims: %w", err)
		}
	}
	now := s.config.Now()
	// The tenant must never come from the extra claims, not even under a name that
	// would be looked at first.
	delete(payload, "nbf")
	delete(payload, s.config.TenantClaim)
	delete(payload, s.config.RoleClaim)
	setClaim(payload, s.config.TenantClaim, string(id.Tenant))
	setClaim(payload, s.config.RoleClaim, id.Role)
	setClaim(payload, "sub", id.Subject)
	payload["iss"], payload["aud"] = s.config.Issuer, s.config.Audience
	payload["iat"], payload["exp"] = now.Unix(), now.Add(ttl).Unix()

	token := jwt.NewWithClaims(s.method, jwt.MapClaims(payload))
	if s.config.KeyID != "" {
		token.Header["kid"] = s.config.KeyID
	}
	signed, err := token.SignedString(s.key)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return signed, nil
}

// setClaim sets the claim at path, or takes it away when value is empty.
func setClaim(object map[string]any, path, value string) {
	names := []string{path}
	if !strings.ContainsAny(path, "/:") {
		names = strings.Split(path, ".")
	}
	for _, name := range names[:len(names)-1] {
		inner, ok := object[name].(map[string]any)
		if !ok {
			if value == "" {
				delete(object, name)
				return
			}
			inner = map[string]any{}
			object[name] = inner
		}
		object = inner
	}
	last := names[len(names)-1]
	if value == "" {
		delete(object, last)
		return
	}
	object[last] = value
}

// JWKS returns the JSON Web Key Set with the public key, for [IssuerConfig.JWKSFile]
// or to serve. A shared secret has none, and is an error.
func (s *Signer) JWKS() (json.RawMessage, error) {
	if _, secret := s.key.([]byte); secret {
		return nil, errors.New("jwks: a shared secret is not published")
	}
	m, err := publicJWK(publicOf(s.key))
	if err != nil {
		return nil, err
	}
	m.KID, m.ALG, m.USE = s.config.KeyID, jwkset.ALG(s.method.Alg()), jwkset.UseSig
	return json.Marshal(jwkset.JWKSMarshal{Keys: []jwkset.JWKMarshal{m}})
}

// parseSigningKey reads a PEM private key, and takes anything that is not PEM as a
// shared secret. A damaged PEM file must not be taken for one.
func parseSigningKey(text []byte) (any, error) {
	if len(text) == 0 {
		return nil, errors.New("no key")
	}
	if !strings.Contains(string(text), "-----BEGIN ") {
		return text, nil
	}
	for rest := text; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil, errors.New("no private key in the PEM text")
		}
		switch block.Type {
		case "PRIVATE KEY":
			return supported(x509.ParsePKCS8PrivateKey(block.Bytes))
		case "EC PRIVATE KEY":
			return x509.ParseECPrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			return x509.ParsePKCS1PrivateKey(block.Bytes)
		}
	}
}

func supported(key any, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	switch key.(type) {
	case *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey:
		return key, nil
	}
	return nil, errors.New("the private key is neither RSA, EC nor Ed25519")
}

func publicJWK(public crypto.PublicKey) (jwkset.JWKMarshal, error) {
	jwk, err := jwkset.NewJWKFromKey(public, jwkset.JWKOptions{})
	if err != nil {
		return jwkset.JWKMarshal{}, fmt.Errorf("public key: %w", err)
	}
	return jwk.Marshal(), nil
}

// thumbprint returns the SHA-256 thumbprint of a public key (RFC 7638, 3): the hash
// of its required members, in the order of their names.
func thumbprint(public crypto.PublicKey) (string, error) {
	m, err := publicJWK(public)
	if err != nil {
		return "", err
	}
	members := map[string]string{
		"kty": string(m.KTY), "crv": string(m.CRV), "x": m.X, "y": m.Y, "n": m.N, "e": m.E,
	}
	maps.DeleteFunc(members, func(_, value string) bool { return value == "" })
	text, err := json.Marshal(members)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:]), nil
}
