// Package people changes who is a member of a tenant, and keeps invitations: through
// functions in the schema moat that look for themselves whether who asks is an admin of that
// tenant, and that the application role may not call.
//
// What those functions are told about a sign-in they believe: their caller has verified it.
package people

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
)

// Config is what a Store works with.
type Config struct {
	// Admins are the roles that manage the members of their tenant, the highest first. Nobody
	// gives a role above the own one, or changes who has it.
	Admins []string
	// Pool connects as the role that may call the functions; it must not be one that the
	// application role can become. Admin connects as who may create them; nil means Pool's.
	Pool  *pgxpool.Pool
	Admin *pgx.ConnConfig
}

// DefaultAdmins are the roles of admins where the configuration names none.
func DefaultAdmins() []string { return []string{"owner", "admin"} }

// Store manages members. It is safe for concurrent use.
type Store struct{ Config }

// Person is somebody as a verified sign-in says: an issuer's subject.
type Person struct{ Issuer, Subject string }

// Why something was not done.
var (
	ErrNotAdmin = errors.New("only an admin of the tenant may do this")
	ErrGone     = errors.New("it is not there any more")
	ErrAbove    = errors.New("the role is above that of who asks")
	ErrLast     = errors.New("the last admin stays")
	ErrMany     = errors.New("there are too many invitations")
	ErrAddress  = errors.New("the invitation is for another address")
	ErrMember   = errors.New("a member already")
	ErrUnfit    = errors.New("the sign-in does not fit the table of people")
	ErrLed      = errors.New("the tenant has an admin, who invites")
)

var reasons = map[string]error{"MP001": ErrNotAdmin, "MP002": ErrGone, "MP003": ErrAbove, "MP004": ErrLast,
	"MP005": ErrMany, "MP006": ErrGone, "MP007": ErrAddress, "MP008": ErrUnfit, "MP009": ErrMember,
	"MP010": ErrLed}

func reason(err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && reasons[pg.Code] != nil {
		return reasons[pg.Code]
	}
	return err
}

// lives is how long an invitation can be accepted.
const lives = 14 * 24 * time.Hour

// Invitation is an invitation that has not been accepted yet.
type Invitation struct {
	ID, Email, Role  string
	By               string // the subject who invited
	Tenant           moat.Tenant
	Created, Expires time.Time
}

// Invite invites an address to a tenant, in the place of an earlier invitation, and returns
// the code of the link: nothing else ever does.
func (s *Store) Invite(ctx context.Context, of moat.Tenant, by Person, email, role string, now time.Time) (string,
	error) {
	code := newCode()
	_, err := s.Pool.Exec(ctx, "select moat.people_invite($1, $2, $3, $4, $5, $6, $7)", string(of), by.Issuer, by.Subject,
		Address(email), role, hash(code), now.Add(lives))
	return code, reason(err)
}

// InviteFirst invites an address, in an operator's name, to be the first admin of a tenant, with
// the highest role. Its error is [ErrLed] where there is an admin.
func (s *Store) InviteFirst(ctx context.Context, of moat.Tenant, email string, now time.Time) (string, error) {
	code := newCode()
	_, err := s.Pool.Exec(ctx, "select moat.people_invite_first($1, $2, $3, $4, $5)", string(of), Address(email),
		s.Admins[0], hash(code), now.Add(lives))
	return code, reason(err)
}

func newCode() string {
	random := make([]byte, sha256.Size)
	_, _ = rand.Read(random) // never fails
	return base64.RawURLEncoding.EncodeToString(random)
}

// Withdraw ends an invitation.
func (s *Store) Withdraw(ctx context.Context, of moat.Tenant, by Person, id string) error {
	_, err := s.Pool.Exec(ctx, "select moat.people_withdraw($1, $2, $3, $4)", string(of), by.Issuer, by.Subject, id)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "22P02" {
		return ErrGone
	}
	return reason(err)
}

// Change gives a member another role; an empty one removes the member.
func (s *Store) Change(ctx context.Context, of moat.Tenant, by, whom Person, role string) error {
	var new any
	if role != "" {
		new = role
	}
	_, err := s.Pool.Exec(ctx, "select moat.people_change($1, $2, $3, $4, $5, $6)", string(of), by.Issuer, by.Subject,
		whom.Issuer, whom.Subject, new)
	return reason(err)
}

// Find returns the invitation of a link.
func (s *Store) Find(ctx context.Context, code string, now time.Time) (Invitation, error) {
	rows, _ := s.Pool.Query(ctx, columns+" where code = $1 and expires > $2", hash(code), now)
	i, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return Invitation{}, ErrGone
	}
	return i, err
}

// Open are the invitations of a tenant that can still be accepted.
func (s *Store) Open(ctx context.Context, of moat.Tenant, now time.Time) ([]Invitation, error) {
	rows, _ := s.Pool.Query(ctx, columns+" where tenant = $1 and expires > $2 order by created desc", string(of), now)
	return pgx.CollectRows(rows, scan)
}

const columns = "select id::text, email, role, by_subject, tenant, created, expires from moat.invitation"

func scan(row pgx.CollectableRow) (i Invitation, err error) {
	err = row.Scan(&i.ID, &i.Email, &i.Role, &i.By, (*string)(&i.Tenant), &i.Created, &i.Expires)
	return i, err
}

// Accept makes who a member, if the link is for the address that its sign-in has verified, and
// returns the tenant.
func (s *Store) Accept(ctx context.Context, code string, who Person, email, name string) (t moat.Tenant, err error) {
	err = s.Pool.QueryRow(ctx, "select moat.people_accept($1, $2, $3, $4, $5)", hash(code), who.Issuer, who.Subject,
		Address(email), name).Scan((*string)(&t))
	return t, reason(err)
}

// Address is how addresses are compared.
func Address(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

func hash(code string) []byte {
	sum := sha256.Sum256([]byte(code))
	return sum[:]
}
