// Package apikey makes API keys and looks them up, over a connection of its own: the
// application role has no right to the table.
//
// A key is 256 random bits; the database holds its SHA-256 and can tell no key. It belongs
// to one tenant, acts as the subject key:<id>, and ends when it expires or is revoked.
package apikey

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/sqltext"
)

// Role is the role whose connection makes and looks up keys.
const Role = "moat_keys"

// shown is how much of a key is kept to recognise it by.
const shown = len(auth.KeyPrefix) + 6

//go:embed install.sql
var install string

// Install is the SQL that makes the table, and the role.
func Install(role string) string { return strings.ReplaceAll(install, "{{role}}", sqltext.Ident(role)) }

// Key is what is known of a key; the key itself is told once.
type Key struct {
	ID      string      `json:"id"`
	Tenant  moat.Tenant `json:"tenant"`
	Prefix  string      `json:"prefix"`
	Name    string      `json:"name"`
	Role    string      `json:"role"`
	Issuer  string      `json:"maker_issuer"` // of the maker; "" for the operator
	Maker   string      `json:"maker"`
	Created time.Time   `json:"created_at"`
	Expires *time.Time  `json:"expires_at"`
	Revoked *time.Time  `json:"revoked_at"`
}

// DB is a connection, or a pool, of the role.
type DB interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// ErrNoKey is returned for a key that is not there, or not there any more.
var ErrNoKey = errors.New("there is no such key")

// Create makes a key, and returns it: nothing else ever does.
func Create(ctx context.Context, db DB, k Key) (secret string, made Key, err error) {
	random := make([]byte, sha256.Size)
	_, _ = rand.Read(random) // never fails
	secret = auth.KeyPrefix + base64.RawURLEncoding.EncodeToString(random)
	made, err = one(db.Query(ctx, "insert into moat.api_key (tenant, hash, prefix, name, role, maker_issuer, maker, "+
		"expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8) returning "+columns, k.Tenant, hashOf(secret), secret[:shown],
		k.Name, k.Role, k.Issuer, k.Maker, k.Expires))
	if err != nil {
		return "", Key{}, fmt.Errorf("make a key: %w", err)
	}
	return secret, made, nil
}

// List lists the keys that are in use of a tenant, or of all where it is empty, and of one
// maker where there is one.
func List(ctx context.Context, db DB, tenant moat.Tenant, issuer, maker string) ([]Key, error) {
	rows, err := db.Query(ctx, "select "+columns+" from moat.api_key where ($1 = '' or tenant = $1) and "+
		"($3 = '' or maker_issuer = $2 and maker = $3) and revoked_at is null order by created_at, id", tenant, issuer, maker)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return pgx.CollectRows(rows, scan)
}

// Revoke ends a key, for the next request on: of any tenant and maker where they are empty.
func Revoke(ctx context.Context, db DB, id string, tenant moat.Tenant, issuer, maker string) error {
	tag, err := db.Exec(ctx, "update moat.api_key set revoked_at = pg_catalog.now() where id::text = $1 and "+
		"($2 = '' or tenant = $2) and ($4 = '' or maker_issuer = $3 and maker = $4) and revoked_at is null",
		strings.ToLower(id), tenant, issuer, maker)
	if err == nil && tag.RowsAffected() == 0 {
		return ErrNoKey
	}
	return err
}

// Verify returns who a key is, or [*auth.TokenError].
func Verify(ctx context.Context, db DB, secret string) (auth.Identity, error) {
	if len(secret) != len(auth.KeyPrefix)+base64.RawURLEncoding.EncodedLen(sha256.Size) {
		return auth.Identity{}, refused(auth.Invalid)
	}
	k, err := one(db.Query(ctx, "select "+columns+" from moat.api_key where hash = $1", hashOf(secret)))
	switch {
	case errors.Is(err, pgx.ErrNoRows), err == nil && k.Revoked != nil:
		return auth.Identity{}, refused(auth.Invalid)
	case err != nil:
		return auth.Identity{}, fmt.Errorf("look up a key: %w", err)
	case k.Expires != nil && !time.Now().Before(*k.Expires):
		return auth.Identity{}, refused(auth.Expired)
	}
	return k.identity(), nil
}

func refused(why auth.Reason) error { return &auth.TokenError{Reason: why, Check: "key"} }

func (k Key) identity() auth.Identity {
	id := auth.Identity{Tenant: k.Tenant, Subject: "key:" + k.ID, Role: k.Role, Issuer: k.Issuer,
		Key: &auth.Key{ID: k.ID, Maker: k.Maker}}
	id.Claims, _ = json.Marshal(map[string]string{"sub": id.Subject, "role": k.Role, "key": k.ID}) // texts marshal
	if k.Expires != nil {
		id.Expires = *k.Expires
	}
	return id
}

func hashOf(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

const columns = "id::text, tenant, prefix, name, role, maker_issuer, maker, created_at, expires_at, revoked_at"

func scan(row pgx.CollectableRow) (k Key, err error) {
	err = row.Scan(&k.ID, &k.Tenant, &k.Prefix, &k.Name, &k.Role, &k.Issuer, &k.Maker, &k.Created, &k.Expires, &k.Revoked)
	return k, err
}

func one(rows pgx.Rows, err error) (Key, error) {
	if err != nil {
		return Key{}, err
	}
	return pgx.CollectExactlyOneRow(rows, scan)
}
