package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/MicahParks/jwkset"
)

// keyFilter says which keys of a JSON Web Key Set are taken.
type keyFilter struct {
	// algorithms are the configured ones; empty means each key's own.
	algorithms []string
	// secrets also takes symmetric keys. A set that is served to everyone must not
	// hold any: who can read it could sign.
	secrets bool
}

// parse reads a JSON Web Key Set (RFC 7517, 5). Keys that cannot be used are left
// out, as section 5 asks; a set without any is fine here, it withdraws all keys.
func (f keyFilter) parse(data []byte) ([]jwkset.JWK, error) {
	var set jwkset.JWKSMarshal
	if err := json.Unmarshal(data, &set); err != nil {
		// The cause may quote the text, which in a file may be key material.
		return nil, errors.New("not a JSON Web Key Set")
	}
	if set.Keys == nil {
		return nil, errors.New(`not a JSON Web Key Set: it has no member "keys"`)
	}
	keys := []jwkset.JWK{}
	for _, m := range set.Keys {
		if jwk, err := f.key(m); err == nil {
			keys = append(keys, jwk)
		}
	}
	return keys, nil
}

// key returns a usable verification key, with its algorithm fixed where the
// configuration does not say which are accepted.
func (f keyFilter) key(m jwkset.JWKMarshal) (jwkset.JWK, error) {
	if m.KID == "" {
		return jwkset.JWK{}, errors.New("no kid for a token to name")
	}
	if m.USE != "" && m.USE != jwkset.UseSig {
		return jwkset.JWK{}, fmt.Errorf("use %q", m.USE)
	}
	if len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify) {
		return jwkset.JWK{}, errors.New("key_ops without verify")
	}
	// Certificates are not looked at, so they must not make a key unusable either.
	m.X5U, m.X5C, m.X5T, m.X5TS256 = "", nil, "", ""
	options := jwkset.JWKMarshalOptions{Private: f.secrets}
	jwk, err := jwkset.NewJWKFromMarshal(m, options, jwkset.JWKValidateOptions{SkipMetadata: true})
	if err != nil {
		return jwkset.JWK{}, err
	}
	suitable := algorithmsOf(publicOf(jwk.Key()))
	if len(suitable) == 0 {
		return jwkset.JWK{}, errors.New("unsupported type or size")
	}
	if m.ALG != "" {
		return jwk, f.checkDeclared(string(m.ALG), suitable)
	}
	if len(f.algorithms) > 0 {
		return jwk, nil
	}
	m.ALG = jwkset.ALG(suitable[0])
	return jwkset.NewJWKFromMarshal(m, options, jwkset.JWKValidateOptions{SkipMetadata: true})
}

func (f keyFilter) checkDeclared(alg string, suitable []string) error {
	if !slices.Contains(suitable, alg) {
		return fmt.Errorf("alg %q does not fit the key", alg)
	}
	if len(f.algorithms) > 0 && !slices.Contains(f.algorithms, alg) {
		return fmt.Errorf("alg %q is not accepted", alg)
	}
	return nil
}
