// Package problem is the error that a client of the API sees: PostgREST's body
// {code, message, details, hint} and the status that goes with it.
//
// A problem never holds a row value of another tenant, a token or a claim: whoever
// makes one writes the text for the caller of the request.
package problem

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Error is a request's failure as the client sees it.
type Error struct {
	// Status is the HTTP status.
	Status int `json:"-"`
	// Code is PostgREST's code (PGRST100), a SQLSTATE (23505) or one of moat's own
	// (MOAT101). The members are sorted, so that bodies are PostgREST's to the byte.
	Code string `json:"code"`
	// Details is a text, or nil for null; for an ambiguous relationship (PGRST201) it
	// is the list of candidates, as in PostgREST.
	Details any `json:"details"`
	// Hint is null in the body when empty.
	Hint Text `json:"hint"`
	// Message says what is wrong in one sentence.
	Message string `json:"message"`
	// RetryAfter, when not zero, becomes the Retry-After header.
	RetryAfter time.Duration `json:"-"`
	// Header is sent with the answer; nil means none.
	Header http.Header `json:"-"`
	// Cause is for the server's log and never for the client.
	Cause error `json:"-"`
}

// Text is a string whose empty value is null in JSON.
type Text string

// MarshalJSON writes null for the empty text.
func (t Text) MarshalJSON() ([]byte, error) {
	if t == "" {
		return []byte("null"), nil
	}
	return quote(string(t)), nil
}

// Body is the JSON of the error; brief leaves out details and hint.
func (e *Error) Body(brief bool) []byte {
	var shown any = e
	if brief {
		shown = struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		}{e.Code, e.Message}
	}
	body, err := plainJSON(shown)
	if err != nil { // only texts and lists of texts are in it
		return []byte(`{"code":"MOAT500","details":null,"hint":null,"message":"internal error"}`)
	}
	return body
}

// IsToken reports whether a code, which a function in the database may have made up, can
// stand in a header as it is (RFC 8941, 3.3.4).
func IsToken(code string) bool {
	return code != "" && len(code) <= 64 && !strings.ContainsFunc(code, func(r rune) bool {
		return !(r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r == '_' || r == '-')
	})
}

// Error returns the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New returns an Error with a formatted message.
func New(status int, code, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Message: fmt.Sprintf(format, args...)}
}

// WithDetails sets the details and returns e.
func (e *Error) WithDetails(format string, args ...any) *Error {
	e.Details = fmt.Sprintf(format, args...)
	return e
}

// WithHint sets the hint and returns e.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = Text(fmt.Sprintf(format, args...))
	return e
}

// Parse returns the error for a part of the URL that is not in the language: what was
// being read, and what was found there.
func Parse(what, text, details string) *Error {
	return New(http.StatusBadRequest, "PGRST100", "failed to parse %s (%s)", what, clip(text)).WithDetails("%s", details)
}

// ParseAt is [Parse] with the column where the text leaves the language.
func ParseAt(what, text string, column int, details string) *Error {
	message := fmt.Sprintf("failed to parse %s (%s)", what, clip(text))
	return New(http.StatusBadRequest, "PGRST100", "\"%s\" (line 1, column %d)", message, column).
		WithDetails("%s", details)
}

// TooLarge returns the error for a request that is beyond a limit.
func TooLarge(format string, args ...any) *Error {
	return New(http.StatusBadRequest, "MOAT110", format, args...)
}

// clip keeps a hostile text from filling the answer and the log.
func clip(s string) string {
	if len(s) <= 120 {
		return s
	}
	return s[:120] + "…"
}
