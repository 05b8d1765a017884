package auth

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/moat-db/moat"
)

const (
	// maxTokenBytes is the longest token that is looked at.
	maxTokenBytes = 16 << 10
	// maxNameBytes is the longest subject or role: each becomes a setting.
	maxNameBytes = 1024
	// maxUnixTime is the last second of the year 9999.
	maxUnixTime = 253402300799
)

// claims is a payload, decoded once and strictly. It is jwt.Claims for the checks
// of the library, so that what is looked at here is what is checked there.
type claims struct {
	raw     []byte
	members map[string]any
}

// decodeToken splits a compact serialization (RFC 7515, 7.1) and decodes its first
// two parts. Nothing is verified yet.
func decodeToken(token string) (header map[string]any, c *claims, err error) {
	if !tokenAlphabet(token) || strings.Count(token, ".") != 2 {
		return nil, nil, invalid("form")
	}
	first, rest, _ := strings.Cut(token, ".")
	second, _, _ := strings.Cut(rest, ".")
	header, _, err = decodePart(first)
	if err != nil {
		return nil, nil, invalid("header")
	}
	members, raw, err := decodePart(second)
	if err != nil {
		return nil, nil, invalid("payload")
	}
	return header, &claims{raw: raw, members: members}, nil
}

// tokenAlphabet reports whether s is base64url and dots. The decoder of the standard
// library skips line breaks, which would give one token many spellings.
func tokenAlphabet(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		digit := '0' <= c && c <= '9'
		if !letter && !digit && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return true
}

func decodePart(part string) (map[string]any, []byte, error) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, nil, err
	}
	data = bytes.Trim(data, " \t\r\n")
	object, err := decodeObject(data)
	return object, data, err
}

// checkHeader refuses what this package does not understand (RFC 7515, 4.1). No
// extension is implemented, so any crit is one too many, and a token that says it is
// of another kind (RFC 8725, 3.11: logout+jwt, dpop+jwt) is not an access token.
func checkHeader(header map[string]any) error {
	if _, ok := header["crit"]; ok {
		return invalid("crit")
	}
	if _, ok := header["alg"].(string); !ok {
		return invalid("alg")
	}
	if kid, ok := header["kid"]; ok {
		if _, ok := kid.(string); !ok {
			return invalid("kid")
		}
	}
	if typ, ok := header["typ"]; ok {
		name, ok := typ.(string)
		name = strings.TrimPrefix(strings.ToLower(name), "application/")
		if !ok || strings.HasSuffix(name, "+jwt") && name != "at+jwt" {
			return invalid("typ")
		}
	}
	return nil
}

// UnmarshalJSON is called by the JWT library with the payload it is about to
// verify. The payload is decoded already; it only has to be the same.
func (c *claims) UnmarshalJSON(data []byte) error {
	if !bytes.Equal(data, c.raw) {
		return errors.New("another payload than the one decoded")
	}
	return nil
}

// GetIssuer returns the iss claim.
func (c *claims) GetIssuer() (string, error) { return c.text("iss") }

// GetSubject returns the sub claim.
func (c *claims) GetSubject() (string, error) { return c.text("sub") }

// GetExpirationTime returns the exp claim.
func (c *claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.date("exp") }

// GetNotBefore returns the nbf claim.
func (c *claims) GetNotBefore() (*jwt.NumericDate, error) { return c.date("nbf") }

// GetIssuedAt returns the iat claim.
func (c *claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.date("iat") }

// GetAudience returns the aud claim: a string or an array of strings.
func (c *claims) GetAudience() (jwt.ClaimStrings, error) {
	v, ok := c.members["aud"]
	if !ok {
		return nil, nil
	}
	if s, ok := v.(string); ok {
		return jwt.ClaimStrings{s}, nil
	}
	array, ok := v.([]any)
	if !ok {
		return nil, jwt.ErrInvalidType
	}
	aud := make(jwt.ClaimStrings, 0, len(array))
	for _, element := range array {
		s, ok := element.(string)
		if !ok {
			return nil, jwt.ErrInvalidType
		}
		aud = append(aud, s)
	}
	return aud, nil
}

// text returns a registered claim that is a string, and "" when it is absent.
func (c *claims) text(name string) (string, error) {
	v, ok := c.members[name]
	if !ok {
		return "", nil
	}
	s, ok := v.(string)
	if !ok {
		return "", jwt.ErrInvalidType
	}
	return s, nil
}

// date returns a NumericDate (RFC 7519, 2), and nil when it is absent. Seconds that
// no calendar has are refused: converted, 1e300 would wrap to some other time.
func (c *claims) date(name string) (*jwt.NumericDate, error) {
	v, ok := c.members[name]
	if !ok {
		return nil, nil
	}
	number, ok := v.(json.Number)
	if !ok {
		return nil, jwt.ErrInvalidType
	}
	seconds, err := number.Float64()
	if err != nil || seconds < 0 || seconds > maxUnixTime {
		return nil, jwt.ErrInvalidType
	}
	whole := int64(seconds)
	return &jwt.NumericDate{Time: time.Unix(whole, int64((seconds-float64(whole))*1e9))}, nil
}

// lookup returns the claim at path: the member of exactly that name, else the one
// reached through objects between the dots. It is an error when the way leads through
// something that is not an object, which is a wrong claim and not an absent one.
func (c *claims) lookup(path string) (v any, present bool, err error) {
	if v, ok := c.members[path]; ok {
		return v, true, nil
	}
	object := c.members
	names := strings.Split(path, ".")
	for i, name := range names {
		v, ok, err := member(object, name)
		if err != nil || !ok {
			return nil, err != nil, err
		}
		if i == len(names)-1 {
			return v, true, nil
		}
		if object, ok = v.(map[string]any); !ok {
			return nil, true, fmt.Errorf("claim is no object: %w", jwt.ErrInvalidType)
		}
	}
	return nil, false, nil
}

// member is a member of an object; * is the only one.
func member(object map[string]any, name string) (v any, found bool, err error) {
	if v, found = object[name]; found || name != "*" || len(object) == 0 {
		return v, found, nil
	}
	if len(object) > 1 {
		return nil, true, errNotOne
	}
	for _, v = range object {
	}
	return v, true, nil
}

var errNotOne = fmt.Errorf("none or several where one is meant: %w", jwt.ErrInvalidType)

// single takes a list of one for its element and an object of one member for its name. Of
// none, as of several, nobody can tell.
func single(v any) (any, error) {
	switch x := v.(type) {
	case []any:
		if len(x) == 1 {
			return x[0], nil
		}
		return nil, errNotOne
	case map[string]any:
		for name := range x {
			if len(x) == 1 {
				return name, nil
			}
		}
		return nil, errNotOne
	}
	return v, nil
}

// one is the claim at path, taken out of a list or an object that holds nothing else.
func (c *claims) one(path string) (v any, present bool, err error) {
	v, present, err = c.lookup(path)
	if err != nil || !present {
		return nil, present, err
	}
	v, err = single(v)
	return v, true, err
}

// shape says what kind of claim there is, for a log: not what it says.
func (c *claims) shape(path string) string {
	v, present, _ := c.lookup(path)
	if !present {
		return "no such claim"
	}
	switch x := v.(type) {
	case string:
		return "a text of another form"
	case []any:
		return fmt.Sprintf("a list of %d", len(x))
	case map[string]any:
		return fmt.Sprintf("an object of %d members", len(x))
	case json.Number:
		return "a number"
	}
	return "something else"
}

// tenant returns the tenant claim, checked for the type of the tenant column.
func (c *claims) tenant(path string, tt moat.TenantType) (t moat.Tenant, present bool, err error) {
	v, present, err := c.one(path)
	if err != nil || !present {
		return "", present, err
	}
	switch x := v.(type) {
	case string:
		t = moat.Tenant(x)
	case json.Number:
		if tt != moat.BigInt && tt != moat.Integer {
			return "", true, &moat.InvalidTenantError{Type: tt}
		}
		t = moat.Tenant(x)
	default:
		return "", true, &moat.InvalidTenantError{Type: tt}
	}
	if err := tt.Validate(t); err != nil {
		return "", true, err
	}
	if tt == moat.UUID {
		// PostgreSQL reads both cases as the same uuid; limits and caches compare text.
		t = moat.Tenant(strings.ToLower(string(t)))
	}
	return t, true, nil
}

// name returns a claim that names something: a string, alone or the only one of a list or
// object, or "" when it is absent or null.
func (c *claims) name(path string) (string, error) {
	v, _, err := c.one(path)
	if err != nil {
		return "", err
	}
	return setting(v)
}

// person returns the claim that says who somebody is, which is a string and nothing else.
func (c *claims) person(path string) (string, error) {
	v, _, err := c.lookup(path)
	if err != nil {
		return "", err
	}
	return setting(v)
}

// setting is what a claim becomes a setting as.
func setting(v any) (string, error) {
	if v == nil {
		return "", nil
	}
	s, ok := v.(string)
	if !ok || len(s) > maxNameBytes || strings.ContainsRune(s, 0) {
		return "", jwt.ErrInvalidType
	}
	return s, nil
}
