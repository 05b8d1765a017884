package auth

import (
	"errors"

	"github.com/golang-jwt/jwt/v5"
)

// ErrNoToken is returned when a request carries no bearer token.
var ErrNoToken = errors.New("no bearer token")

// ErrNoKeys is returned for a token of an issuer whose key set could not be read yet: it
// may be good, and nobody can tell. Only [Config.StartWithoutKeys] leads to it.
var ErrNoKeys = errors.New("the keys of the token's issuer have not been read yet")

// Reason says in one word why a token is refused. It is all that a client learns.
type Reason string

// The reasons. Expired and NotYetValid are given only for a token whose signature,
// issuer and audience are right; whatever else is wrong is Invalid.
const (
	Invalid     Reason = "invalid"
	Expired     Reason = "expired"
	NotYetValid Reason = "not yet valid"
)

// TokenError is returned for a token that is refused. It holds no part of the token.
type TokenError struct {
	// Reason may be shown to the client.
	Reason Reason
	// Check names the check that failed, such as "signature" or "audience". It is
	// one of a fixed list of words, for the server's log and not for the client.
	Check string
}

func (e *TokenError) Error() string {
	return "token is " + string(e.Reason) + ": " + e.Check
}

func invalid(check string) *TokenError {
	return &TokenError{Reason: Invalid, Check: check}
}

// refusal turns an error of the JWT library into a TokenError. The library's text
// is dropped: it may quote the token. A token can be wrong in several ways at once,
// and the times come last so that they say nothing about a token for somebody else.
func refusal(err error) *TokenError {
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
		return invalid("audience")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing), errors.Is(err, jwt.ErrInvalidType):
		return invalid("claims")
	case errors.Is(err, jwt.ErrTokenExpired):
		return &TokenError{Reason: Expired, Check: "exp"}
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return &TokenError{Reason: NotYetValid, Check: "nbf or iat"}
	}
	return invalid("token")
}
