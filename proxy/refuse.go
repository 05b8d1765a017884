package proxy

import (
	"bytes"
	"errors"
	"strings"

	"github.com/moat-db/moat/internal/serving"
)

// Refusal is an error that a client is told, as PostgreSQL tells its own.
type Refusal struct {
	Code, Message, Hint string
	fatal               bool
}

func (e *Refusal) Error() string { return e.Message }

// message renders the refusal as an ErrorResponse.
func (e *Refusal) message() message {
	severity := "ERROR"
	if e.fatal {
		severity = "FATAL"
	}
	fields := []string{"S" + severity, "V" + severity, "C" + e.Code, "M" + e.Message}
	if e.Hint != "" {
		fields = append(fields, "H"+e.Hint)
	}
	return message{'E', append(text(fields...), 0)}
}

// The SQLSTATEs of refusals: those that PostgreSQL gives for the same kind of thing.
const (
	codePassword    = "28P01"
	codeAuthorized  = "28000"
	codeTooMany     = "53300"
	codeUnsupported = "0A000"
	codeShutdown    = "57P01"
	codeServer      = "08006"
	codeProtocol    = "08P01"
	codeDatabase    = "3D000"
	codeActive      = "25001"
	codeConfigured  = "53400"
	codeNoStatement = "26000"
	codeIgnored     = "25P02"
)

func fatal(code, text, hint string) error { return &Refusal{code, text, hint, true} }

// refusalOf says what a client may know of an error.
func refusalOf(err error) *Refusal {
	var r *Refusal
	switch {
	case errors.As(err, &r):
		return r
	case errors.Is(err, serving.ErrSuspended):
		return &Refusal{codeAuthorized, "the tenant is suspended", "", true}
	case errors.Is(err, serving.ErrUnknownTenant), errors.Is(err, serving.ErrNotMember):
		return &Refusal{codeAuthorized, "the token's tenant is unknown, or the caller is not a member of it",
			"", true}
	}
	return &Refusal{codeServer, "the proxy cannot serve this connection now", "its log says why", true}
}

// copyHint names the way out of PostgreSQL's refusal of COPY FROM under row-level
// security.
const copyHint = "Use INSERT … SELECT * FROM unnest($1, $2, …), or COPY into a temporary table and " +
	"INSERT … SELECT from it."

// withHint adds the hint to the error that COPY FROM gets; others stay as they are. The
// fields of an error end in a zero of their own.
func withHint(body []byte) []byte {
	if !bytes.Contains(body, []byte("\x00C"+codeUnsupported+"\x00")) ||
		!strings.Contains(string(body), "COPY FROM") {
		return body
	}
	kept := make([]byte, 0, len(body)+len(copyHint)+2)
	for _, field := range bytes.Split(bytes.TrimRight(body, "\x00"), []byte{0}) {
		if field[0] != 'H' {
			kept = append(append(kept, field...), 0)
		}
	}
	return append(append(append(kept, 'H'), copyHint...), 0, 0)
}
