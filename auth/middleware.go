package auth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/moat-db/moat"
)

// MiddlewareOptions configures [Middleware]. The zero value works.
type MiddlewareOptions struct {
	// Realm is the realm of the WWW-Authenticate header; empty means "moat".
	Realm string
	// ErrorHandler answers a request that is refused, in place of [WriteError] which
	// nil means. The WWW-Authenticate header is set already. err is [ErrNoToken] or
	// [*TokenError], or without such a header [ErrNoKeys] or an error of [Config.Keys].
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)
}

// Middleware returns a handler that lets a request through only with a token that v
// accepts, and puts the [moat.Scope] (see [moat.ScopeFrom]) and the [Identity] (see
// [FromContext]) on its context.
//
// The token is read from the one Authorization header, an API key (see [Config.Keys]) from
// there or from the header apikey, and neither from anywhere else: a token in a URL ends in
// logs (RFC 6750, 5.3). A refused request is answered with 401 and a WWW-Authenticate
// header (RFC 6750, 3).
func Middleware(v *Verifier, opts MiddlewareOptions) func(http.Handler) http.Handler {
	if opts.Realm == "" {
		opts.Realm = "moat"
	}
	if opts.ErrorHandler == nil {
		opts.ErrorHandler = WriteError
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, id, err := identify(v, r)
			if err != nil {
				if errors.Is(err, ErrNoToken) || errors.As(err, new(*TokenError)) {
					w.Header().Set("WWW-Authenticate", challenge(opts.Realm, err))
				}
				opts.ErrorHandler(w, r, err)
				return
			}
			ctx = context.WithValue(ctx, identityKey{}, id)
			next.ServeHTTP(w, r.WithContext(moat.WithScope(ctx, id.Scope())))
		})
	}
}

// identify returns who asks: the token's identity, or the key's where there is no token. A
// key beside a token goes onto the context.
func identify(v *Verifier, r *http.Request) (context.Context, Identity, error) {
	ctx := r.Context()
	token, err := BearerToken(r)
	key := v.keyBeside(r)
	if errors.Is(err, ErrNoToken) && key != "" {
		token, key, err = key, "", nil
	}
	if err != nil {
		return ctx, Identity{}, err
	}
	id, err := v.Verify(ctx, token)
	if err != nil || key == "" || key == token {
		return ctx, id, err
	}
	beside, err := v.Verify(ctx, key)
	return context.WithValue(ctx, besideKey{}, beside), id, err
}

// keyBeside is the API key in the header apikey, in which some clients send other things.
func (v *Verifier) keyBeside(r *http.Request) string {
	key := r.Header.Get("Apikey")
	if v.keys == nil || !strings.HasPrefix(key, KeyPrefix) {
		return ""
	}
	return key
}

// BearerToken returns the token of the request's Authorization header (RFC 6750,
// 2.1). It returns [ErrNoToken] when there is no such header or it is of another
// scheme, and [*TokenError] when there are several or the token is too long.
func BearerToken(r *http.Request) (string, error) {
	headers := r.Header["Authorization"]
	if len(headers) == 0 {
		return "", ErrNoToken
	}
	if len(headers) > 1 {
		return "", invalid("several Authorization headers")
	}
	scheme, token, _ := strings.Cut(headers[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", ErrNoToken
	}
	token = strings.Trim(token, " ")
	if token == "" {
		return "", ErrNoToken
	}
	if len(token) > maxTokenBytes {
		return "", invalid("size")
	}
	return token, nil
}

// challenge returns the WWW-Authenticate header for err. A request without a token
// learns no error code (RFC 6750, 3.1).
func challenge(realm string, err error) string {
	quoted := `Bearer realm="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(realm) + `"`
	if errors.Is(err, ErrNoToken) {
		return quoted
	}
	return quoted + `, error="invalid_token"`
}

// NoKeysCode is the code of the answer to a token that nobody can check yet.
const NoKeysCode = "MOAT132"

// ClaimsCode is the code of the answer to a token that is genuine and cannot be used: its
// times, its audience or its tenant do not allow it.
const ClaimsCode = "PGRST303"

// Refusal is what a client may know of an error of [Middleware]: whether there was a token,
// and the reason it was refused for.
type Refusal struct {
	Status        int // of HTTP
	Code, Message string
	RetryAfter    time.Duration // 0 for none
}

// Describe says what a client may know of an error of [Middleware]. The codes are
// PostgREST's: PGRST302 without a token, PGRST301 with a bad one, [ClaimsCode] with one that
// is genuine and cannot be used. [ErrNoKeys] is 503 with [NoKeysCode].
func Describe(err error) Refusal {
	var refused *TokenError
	switch {
	case errors.Is(err, ErrNoToken):
		return Refusal{Status: http.StatusUnauthorized, Code: "PGRST302", Message: "Anonymous access is disabled"}
	case errors.Is(err, ErrNoKeys):
		return Refusal{http.StatusServiceUnavailable, NoKeysCode, ErrNoKeys.Error(), 5 * time.Second}
	case errors.As(err, &refused) && refused.Reason != Invalid:
		return Refusal{Status: http.StatusUnauthorized, Code: ClaimsCode, Message: claimsMessage(refused.Reason)}
	}
	return Refusal{Status: http.StatusUnauthorized, Code: "PGRST301", Message: "JWT invalid"}
}

// claimsMessage says in PostgREST's words what is wrong with a genuine token.
func claimsMessage(r Reason) string {
	if r == Audience {
		return "JWT not in audience"
	}
	return "JWT " + string(r)
}

// WriteError answers a refused request with the JSON body {code, message, details, hint} of
// PostgREST, as [Describe] says. It tells the coarse reason and nothing else.
func WriteError(w http.ResponseWriter, _ *http.Request, err error) {
	refused := Describe(err)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if refused.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(refused.RetryAfter.Seconds())))
	}
	w.WriteHeader(refused.Status)
	// A client that has gone cannot be told; there is nobody to report it to.
	_ = json.NewEncoder(w).Encode(struct {
		Code    string  `json:"code"`
		Message string  `json:"message"`
		Details *string `json:"details"`
		Hint    *string `json:"hint"`
	}{Code: refused.Code, Message: refused.Message})
}
