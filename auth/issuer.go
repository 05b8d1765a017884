package auth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"github.com/moat-db/moat"
)

// issuer verifies the tokens of one issuer, with that issuer's keys only.
type issuer struct {
	config     IssuerConfig
	tenantType moat.TenantType
	anonymous  bool // a token may be without a tenant
	parser     *jwt.Parser
	keys       keySource
}

// keySource finds the key for a token: the only one, or the one its kid names.
type keySource struct {
	only       any
	set        keyfunc.Keyfunc
	algorithms []string
	// generation changes with the keys; nil means that they never do.
	generation *atomic.Uint64
}

// environment is what building an issuer needs from the outside.
type environment struct {
	client  *http.Client
	now     func() time.Time
	onError func(issuer string, err error)
}

func newIssuer(ctx context.Context, ic IssuerConfig, c Config, env environment) (*issuer, error) {
	keys, err := ic.openKeys(ctx, env)
	if err != nil {
		return nil, err
	}
	is := &issuer{config: ic, tenantType: c.TenantType, anonymous: c.AllowWithoutTenant, keys: keys}
	// Each of these is off by default in the library, and each one left out accepts
	// tokens that are for somebody else or for ever. Two are promised a second time,
	// by the choice of the issuer and by identity: neither depends on the other.
	is.parser = jwt.NewParser(
		jwt.WithValidMethods(keys.algorithms),
		jwt.WithIssuer(ic.Issuer),
		jwt.WithAudience(ic.Audience...),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(ic.Leeway),
		jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(env.now),
	)
	return is, nil
}

func (ic IssuerConfig) openKeys(ctx context.Context, env environment) (keySource, error) {
	switch {
	case ic.Secret != "":
		return ic.onlyKey([]byte(ic.Secret))
	case ic.SecretFile != "":
		return ic.secretFile()
	case ic.PEM != "":
		return ic.publicKey([]byte(ic.PEM))
	case ic.PEMFile != "":
		text, err := os.ReadFile(ic.PEMFile)
		if err != nil {
			return keySource{}, fmt.Errorf("read key: %w", err)
		}
		return ic.publicKey(text)
	case ic.JWKSFile != "":
		return ic.fileSet(ctx)
	case ic.JWKSURL != "":
		return ic.remoteSet(ctx, env, ic.JWKSURL)
	case ic.Discovery:
		address, err := discover(ctx, env.client, ic.Issuer)
		if err != nil {
			return keySource{}, err
		}
		return ic.remoteSet(ctx, env, address)
	}
	return keySource{}, errors.New("no key")
}

func (ic IssuerConfig) onlyKey(key any) (keySource, error) {
	algorithms, err := chooseAlgorithms(key, ic.Algorithms)
	return keySource{only: key, algorithms: algorithms}, err
}

func (ic IssuerConfig) secretFile() (keySource, error) {
	text, err := os.ReadFile(ic.SecretFile)
	if err != nil {
		return keySource{}, fmt.Errorf("read secret: %w", err)
	}
	text = bytes.TrimSuffix(text, []byte("\n"))
	return ic.onlyKey(bytes.TrimSuffix(text, []byte("\r")))
}

func (ic IssuerConfig) publicKey(text []byte) (keySource, error) {
	key, err := parsePublicPEM(text)
	if err != nil {
		return keySource{}, fmt.Errorf("public key: %w", err)
	}
	return ic.onlyKey(key)
}

func (ic IssuerConfig) fileSet(ctx context.Context) (keySource, error) {
	data, err := os.ReadFile(ic.JWKSFile)
	if err != nil {
		return keySource{}, fmt.Errorf("read key set: %w", err)
	}
	keys, err := keyFilter{algorithms: ic.Algorithms, secrets: true}.parse(data)
	if err != nil {
		return keySource{}, fmt.Errorf("key set: %s: %w", ic.JWKSFile, err)
	}
	if len(keys) == 0 {
		return keySource{}, fmt.Errorf("key set: %s has no usable signing key with a kid", ic.JWKSFile)
	}
	storage := jwkset.NewMemoryStorage()
	if err := storage.KeyReplaceAll(ctx, keys); err != nil {
		return keySource{}, fmt.Errorf("key set: %w", err)
	}
	return ic.setSource(storage, allAlgorithms(), nil)
}

func (ic IssuerConfig) remoteSet(ctx context.Context, env environment, address string) (keySource, error) {
	for _, alg := range ic.Algorithms {
		if slices.Contains(symmetricAlgorithms(), alg) {
			return keySource{}, fmt.Errorf("algorithm %s needs a secret, which a URL must not serve", alg)
		}
	}
	remote := &remoteSet{
		MemoryJWKSet: jwkset.NewMemoryStorage(),
		address:      address,
		client:       env.client,
		filter:       keyFilter{algorithms: ic.Algorithms},
		now:          env.now,
		background:   ctx,
	}
	if env.onError != nil {
		remote.onError = func(err error) { env.onError(ic.Issuer, err) }
	}
	if err := remote.start(); err != nil {
		return keySource{}, err
	}
	return ic.setSource(remote, asymmetricAlgorithms(), &remote.generation)
}

func (ic IssuerConfig) setSource(storage jwkset.Storage, possible []string,
	generation *atomic.Uint64) (keySource, error) {
	set, err := keyfunc.New(keyfunc.Options{Storage: storage})
	if err != nil {
		return keySource{}, err
	}
	algorithms := ic.Algorithms
	if len(algorithms) == 0 {
		algorithms = possible
	}
	return keySource{set: set, algorithms: algorithms, generation: generation}, nil
}

// version returns a number that differs whenever the keys do.
func (k *keySource) version() uint64 {
	if k.generation == nil {
		return 0
	}
	return k.generation.Load()
}

// keyfunc returns the function that the JWT library asks for the key. A key set
// without a kid would be tried key by key, and the algorithm must fit the one key
// found: neither is left to the token.
func (k *keySource) keyfunc(ctx context.Context) jwt.Keyfunc {
	return func(token *jwt.Token) (any, error) {
		if k.set == nil {
			return k.only, nil
		}
		if kid, _ := token.Header["kid"].(string); kid == "" {
			return nil, errors.New("no kid")
		}
		key, err := k.set.KeyfuncCtx(ctx)(token)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(algorithmsOf(key), token.Method.Alg()) {
			return nil, errors.New("alg does not fit the key")
		}
		return key, nil
	}
}

// verify checks signature, issuer, audience and times, then reads the identity.
func (is *issuer) verify(ctx context.Context, token string, c *claims) (Identity, error) {
	if _, err := is.parser.ParseWithClaims(token, c, is.keys.keyfunc(ctx)); err != nil {
		return Identity{}, refusal(err)
	}
	return is.identity(c)
}

func (is *issuer) identity(c *claims) (Identity, error) {
	tenant, present, err := c.tenant(is.config.TenantClaim, is.tenantType)
	if err != nil || !present && !is.anonymous {
		return Identity{}, invalid("tenant claim")
	}
	subject, err := c.name(is.config.SubjectClaim)
	if err != nil {
		return Identity{}, invalid("subject claim")
	}
	role, err := c.name(is.config.RoleClaim)
	if err != nil {
		return Identity{}, invalid("role claim")
	}
	// The parser has demanded it; an identity without an end must not hang on that.
	expires, err := c.GetExpirationTime()
	if err != nil || expires == nil {
		return Identity{}, invalid("claims")
	}
	return Identity{
		Tenant: tenant, Subject: subject, Role: role, Claims: c.raw,
		Issuer: is.config.Issuer, Expires: expires.Time,
	}, nil
}
