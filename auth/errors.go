package auth

import (
	"errors"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// ErrNoToken is returned when a request carries no bearer token.
var ErrNoToken = errors.New("no bearer token")

// ErrNoKeys is returned for a token of an issuer whose key set could not be read yet: it
// may be good, and nobody can tell. Only [Config.StartWithoutKeys] leads to it.
var ErrNoKeys = errors.New("the keys of the token's issuer have not been read yet")

// Reason says in one word why a token is refused. It is all that a client learns.
type Reason string

// The reasons. All but Invalid are given only for a token whose signature and issuer are
// right, Expired, NotYetValid, IssuedLater and NoTenant only where its audience is, too.
const (
	Invalid     Reason = "invalid"
	Audience    Reason = "for another audience"
	Expired     Reason = "expired"
	NotYetValid Reason = "not yet valid"
	IssuedLater Reason = "issued at future"
	// NoTenant: the tenant claim is missing, is no tenant, or names several.
	NoTenant Reason = "without a usable tenant"
)

// TokenError is returned for a token that is refused. It holds no part of the token but
// for the facts under Got.
type TokenError struct {
	// Reason may be shown to the client.
	Reason Reason
	// Check names the check that failed, such as "signature" or "audience". It is
	// one of a fixed list of words, for the server's log and not for the client.
	Check string
	// Expected and Got are public facts for the server's log: issuers, audiences, clients
	// and times; empty where the check is of nothing public. Got is short, and is the
	// token's word: nothing of it is true unless the signature is.
	Expected, Got string
}

func (e *TokenError) Error() string {
	return "token is " + string(e.Reason) + ": " + e.Check
}

func invalid(check string) *TokenError {
	return &TokenError{Reason: Invalid, Check: check}
}

// maxFact is how much of what a token says a log gets to see.
const maxFact = 200

// facts adds what was expected and what the token says.
func (e *TokenError) facts(expected, got string) *TokenError {
	if len(got) > maxFact {
		got = strings.ToValidUTF8(got[:maxFact], "") + "…"
	}
	e.Expected, e.Got = expected, got
	return e
}

// refusal turns an error of the JWT library into a TokenError. The library's text
// is dropped: it may quote the token. A token can be wrong in several ways at once,
// and the times come last so that they say nothing about a token for somebody else.
func (is *issuer) refusal(err error, c *claims) *TokenError {
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return invalid("form")
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return invalid("key")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return invalid("signature")
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return invalid("issuer")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		aud, _ := c.GetAudience()
		return (&TokenError{Reason: Audience, Check: "aud"}).facts(listed(is.config.Audience), listed(aud))
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing), errors.Is(err, jwt.ErrInvalidType):
		return invalid("claims")
	case errors.Is(err, jwt.ErrTokenExpired):
		return (&TokenError{Reason: Expired, Check: "exp"}).facts("later than "+is.now(), c.moment("exp"))
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return (&TokenError{Reason: NotYetValid, Check: "nbf"}).facts("not later than "+is.now(), c.moment("nbf"))
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return (&TokenError{Reason: IssuedLater, Check: "iat"}).facts("not later than "+is.now(), c.moment("iat"))
	}
	return invalid("token")
}

func listed(names []string) string { return strings.Join(names, ", ") }

func (is *issuer) now() string { return is.clock().UTC().Format(time.RFC3339) }

// moment is a time claim for the log; "" where there is none.
func (c *claims) moment(name string) string {
	at, err := c.date(name)
	if err != nil || at == nil {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}
