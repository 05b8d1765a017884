package moat

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Tenant is the text form of a tenant id, as it is put into the tenant setting:
// a uuid ("5f3c…"), a decimal number, or text. The empty Tenant is not a tenant.
type Tenant string

// Scope is what one statement or transaction runs as: the tenant whose rows are
// visible, and facts about the caller that policies inside the tenant may read.
//
// The zero Scope has no tenant; everything that takes a Scope refuses it with
// [ErrNoTenant] before any round trip. A Scope is a value and safe to copy.
// Only verified input may become a Scope: package auth makes one from a token.
type Scope struct {
	// Tenant is the tenant; required.
	Tenant Tenant
	// Width is how much of the tree of tenants is visible; zero means [Own].
	Width Width
	// Subject is the caller's id (RFC 7519 4.1.2 "sub"); empty means unknown.
	Subject string
	// Issuer is who vouches for Subject (RFC 7519 4.1.1 "iss"); empty means unknown. It is for
	// databases in which a member is an issuer's subject; see [Options].IssuerSetting.
	Issuer string
	// Role is the caller's role inside the tenant, as an application names it.
	// It is a setting that policies may read, never a PostgreSQL role.
	Role string
	// Claims is the verified claims as a JSON object; nil means none.
	Claims json.RawMessage
}

// ErrNoTenant is returned, before any round trip, when there is no tenant to
// speak for: no [Scope] on the context, or a Scope whose Tenant is empty.
var ErrNoTenant = errors.New("no tenant in scope")

// ErrTenantMismatch is returned when a statement for one tenant is sent through a
// transaction that is bound to another.
var ErrTenantMismatch = errors.New("scope names another tenant than the open transaction")

// ErrScopeMismatch is returned when a statement for another subject, issuer or role of the same
// tenant is sent through an open transaction: its policies would read the wrong facts.
var ErrScopeMismatch = errors.New("scope names another caller or role than the open transaction")

// InvalidTenantError is returned, before any round trip, for a tenant id that is
// not of the tenant column's type. It does not repeat the id.
type InvalidTenantError struct{ Type TenantType }

func (e *InvalidTenantError) Error() string {
	return fmt.Sprintf("tenant id is not a valid %s", e.Type)
}

// ErrWidthMismatch is returned when a statement of one width is sent through a
// transaction that is bound with the other: its rows would be another set.
var ErrWidthMismatch = errors.New("scope is not as wide as the open transaction")

// ErrNoTree is returned, before any round trip, for a wide scope where no role reads a
// tree of tenants: see [Options].TreeRole.
var ErrNoTree = errors.New("scope asks for a tenant's descendants, and no tree role is configured")

// Width says how much of a tree of tenants a [Scope] sees.
type Width uint8

// The widths.
const (
	// Own is the rows of the scope's tenant, and what the model adds to them.
	Own Width = iota
	// Descendants is the rows of the tenant and of every tenant below it, for reading:
	// an agency and its clients. The database's policies for [Options].TreeRole say
	// which tables have such a view.
	Descendants
)

type scopeKey struct{}

// WithScope returns a context that carries s. Statements of a [DB] run with such a
// context see only the rows of s.Tenant.
func WithScope(ctx context.Context, s Scope) context.Context {
	return context.WithValue(ctx, scopeKey{}, s)
}

// ScopeFrom returns the scope that ctx carries, and false when it carries none.
func ScopeFrom(ctx context.Context) (Scope, bool) {
	s, ok := ctx.Value(scopeKey{}).(Scope)
	return s, ok
}

// TenantType is the type of the tenant column, by its name in PostgreSQL. The
// zero value means uuid. numeric and citext are left out on purpose: neither has
// an equality that is both exact and usable by an index under row-level security.
type TenantType string

// The supported types of a tenant column.
const (
	UUID    TenantType = "uuid"
	BigInt  TenantType = "bigint"
	Integer TenantType = "integer"
	Text    TenantType = "text"
)

// Validate returns nil when t is a tenant id of type tt, [ErrNoTenant] when t is
// empty, and [*InvalidTenantError] otherwise. A uuid must be in its canonical form
// of 36 characters, so that equal ids are equal strings.
func (tt TenantType) Validate(t Tenant) error {
	if t == "" {
		return ErrNoTenant
	}
	if !tt.valid(string(t)) {
		return &InvalidTenantError{Type: tt.orDefault()}
	}
	return nil
}

func (tt TenantType) orDefault() TenantType {
	if tt == "" {
		return UUID
	}
	return tt
}

func (tt TenantType) valid(s string) bool {
	switch tt.orDefault() {
	case UUID:
		return isUUID(s)
	case BigInt:
		return isInteger(s, 64)
	case Integer:
		return isInteger(s, 32)
	case Text:
		// PostgreSQL text holds no zero byte, and a name that differs from another
		// only in surrounding blanks is a mistake waiting to be made.
		return utf8.ValidString(s) && !strings.ContainsRune(s, 0) && strings.TrimSpace(s) == s && len(s) <= 512
	}
	return false
}

func isInteger(s string, bits int) bool {
	n, err := strconv.ParseInt(s, 10, bits)
	return err == nil && strconv.FormatInt(n, 10) == s
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
			continue
		}
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return true
}
