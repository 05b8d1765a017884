package auth

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/webaddress"
)

// issuer verifies the tokens of one issuer, with that issuer's keys only.
type issuer struct {
	config     IssuerConfig
	tenantType moat.TenantType
	anonymous  bool // a token may be without a tenant
	clock      func() time.Time
	parser     *jwt.Parser
	validator  *jwt.Validator // makes the parser's checks but those of the key
	keys       keySource
}

// keySource finds the key for a token: the only one, or the one its kid names.
type keySource struct {
	only       any
	set        keyfunc.Keyfunc
	algorithms []string
	// remote is where the set comes from; nil means that the keys never change.
	remote *remoteSet
}

// environment is what building an issuer needs from the outside.
type environment struct {
	client  *http.Client
	now     func() time.Time
	onError func(issuer string, err error)
	// absent starts without the keys that cannot be fetched yet.
	absent bool
}

func newIssuer(ctx context.Context, ic IssuerConfig, c Config, env environment) (*issuer, error) {
	keys, err := ic.openKeys(ctx, env)
	if err != nil {
		return nil, err
	}
	is := &issuer{config: ic, tenantType: c.TenantType, anonymous: c.AllowWithoutTenant, clock: env.now, keys: keys}
	// Each of these is off by default in the library, and each one left out accepts
	// tokens that are for somebody else or for ever. Two are promised a second time,
	// by the choice of the issuer and by identity: neither depends on the other.
	options := []jwt.ParserOption{
		jwt.WithValidMethods(keys.algorithms),
		jwt.WithIssuer(ic.Issuer),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(ic.Leeway),
		jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(env.now),
	}
	if !ic.NoAudience { // meant checks that there is none
		options = append(options, jwt.WithAudience(ic.Audience...))
	}
	is.parser, is.validator = jwt.NewParser(options...), jwt.NewValidator(options...)
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
	case ic.JWKSURL != "", ic.Discovery:
		return ic.remoteSet(ctx, env)
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

func (ic IssuerConfig) remoteSet(ctx context.Context, env environment) (keySource, error) {
	// No attempt later mends an address that is not allowed.
	if err := webaddress.Check(cmp.Or(ic.JWKSURL, ic.Issuer)); err != nil {
		return keySource{}, fmt.Errorf("key set: %w", err)
	}
	for _, alg := range ic.Algorithms {
		if slices.Contains(symmetricAlgorithms(), alg) {
			return keySource{}, fmt.Errorf("algorithm %s needs a secret, which a URL must not serve", alg)
		}
	}
	remote := &remoteSet{
		MemoryJWKSet: jwkset.NewMemoryStorage(),
		address:      ic.JWKSURL,
		issuer:       ic.Issuer,
		client:       env.client,
		filter:       keyFilter{algorithms: ic.Algorithms},
		now:          env.now,
		background:   ctx,
	}
	if env.onError != nil {
		remote.onError = func(err error) { env.onError(ic.Issuer, err) }
	}
	if err := remote.start(env.absent); err != nil {
		return keySource{}, err
	}
	return ic.setSource(remote, asymmetricAlgorithms(), remote)
}

func (ic IssuerConfig) setSource(storage jwkset.Storage, possible []string,
	remote *remoteSet) (keySource, error) {
	set, err := keyfunc.New(keyfunc.Options{Storage: storage})
	if err != nil {
		return keySource{}, err
	}
	algorithms := ic.Algorithms
	if len(algorithms) == 0 {
		algorithms = possible
	}
	return keySource{set: set, algorithms: algorithms, remote: remote}, nil
}

// version returns a number that differs whenever the keys do.
func (k *keySource) version() uint64 {
	if k.remote == nil {
		return 0
	}
	return k.remote.generation.Load()
}

// absent says whether the keys have not been read yet.
func (k *keySource) absent() bool { return k.remote != nil && k.version() == 0 }

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

// verify checks signature, issuer, audience and times, then reads the identity. A token
// whose key is not there, or is another under the same kid, is tried once more with the
// keys that the issuer has now. Of one that is signed, these keys have verified the signature
// before.
func (is *issuer) verify(ctx context.Context, token string, c *claims, signed bool) (Identity, error) {
	if signed {
		return is.read(c, is.validator.Validate(c))
	}
	version := is.keys.version()
	stale, err := is.check(ctx, token, c)
	if stale && is.keys.remote.changedSince(ctx, version) {
		version = is.keys.version()
		_, err = is.check(ctx, token, c)
	}
	if is.keys.remote != nil && version == 0 {
		return Identity{}, ErrNoKeys
	}
	return is.read(c, err)
}

// read reads the identity of claims that err says nothing against.
func (is *issuer) read(c *claims, err error) (Identity, error) {
	if err != nil {
		return Identity{}, is.refusal(err, c)
	}
	if err := is.meant(c); err != nil {
		return Identity{}, err
	}
	return is.identity(c)
}

// meant checks what the library does not: that a token without an audience has none, and
// that it was given to one of the clients.
func (is *issuer) meant(c *claims) error {
	if _, found := c.members["aud"]; found && is.config.NoAudience {
		aud, _ := c.GetAudience()
		return (&TokenError{Reason: Audience, Check: "aud"}).facts("none", listed(aud))
	}
	if len(is.config.Clients) == 0 {
		return nil
	}
	var got []string
	for _, name := range []string{"azp", "client_id"} {
		client, err := c.text(name)
		if err != nil {
			return invalid("claims")
		}
		if client != "" {
			got = append(got, client)
		}
	}
	other := func(client string) bool { return !slices.Contains(is.config.Clients, client) }
	if len(got) == 0 || slices.ContainsFunc(got, other) {
		return (&TokenError{Reason: Audience, Check: "azp or client_id"}).facts(listed(is.config.Clients), listed(got))
	}
	return nil
}

// check says also whether newer keys might verify a token that these do not.
func (is *issuer) check(ctx context.Context, token string, c *claims) (stale bool, err error) {
	named := false
	find := is.keys.keyfunc(ctx)
	_, err = is.parser.ParseWithClaims(token, c, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		named = kid != ""
		return find(t)
	})
	refused := errors.Is(err, jwt.ErrTokenUnverifiable) || errors.Is(err, jwt.ErrTokenSignatureInvalid)
	return is.keys.remote != nil && named && refused, err
}

func (is *issuer) identity(c *claims) (Identity, error) {
	tenant, external, err := is.tenant(c)
	if err != nil {
		return Identity{}, err
	}
	subject, err := c.person(is.config.SubjectClaim)
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
		Tenant: tenant, External: external, Subject: subject, Role: role, Claims: c.raw,
		Issuer: is.config.Issuer, Expires: expires.Time,
	}, nil
}

// tenant reads the tenant claim: the tenant, or the issuer's own name of it.
func (is *issuer) tenant(c *claims) (t moat.Tenant, external string, err error) {
	path, present := is.config.TenantClaim, false
	if is.config.External {
		external, err = c.name(path)
		present = external != ""
	} else {
		t, present, err = c.tenant(path, is.tenantType)
	}
	if err != nil || !present && !is.anonymous {
		e := &TokenError{Reason: NoTenant, Check: "tenant claim"}
		return "", "", e.facts("one "+is.kind()+" at "+path, c.shape(path))
	}
	return t, external, nil
}

func (is *issuer) kind() string {
	if is.config.External {
		return "name"
	}
	return string(is.tenantType)
}
