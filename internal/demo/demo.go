// Package demo sets up what moat demo shows: a private PostgreSQL with an agency,
// its clients and their leads, and the key that signs the clients' tokens.
package demo

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/postgres"
	"github.com/moat-db/moat/internal/roles"
)

//go:embed schema.sql
var schema string

// Who signs the demo's tokens, and for whom.
const (
	Issuer         = "https://demo.moat.test"
	OperatorIssuer = "https://operators.demo.moat.test"
	Audience       = "moat"
	database       = "demo"
)

// Roles that the demo's connection strings name.
const (
	ApplicationRole = roles.Application
	OperatorRole    = roles.Operator
)

// Options say how to set up a demo. The zero value is an ephemeral one.
type Options struct {
	// Dir keeps the data in this folder; empty means a folder that goes with the
	// process.
	Dir string
	// Download fetches PostgreSQL where none is installed.
	Download bool
	// Sealed binds the tenant by a signature instead of a plain setting.
	Sealed bool
}

// Client is one of the agency's clients, or the agency.
type Client struct {
	Name   string
	Tenant moat.Tenant
	Owner  string // the id of the person who owns it
}

// Demo is a running demo database.
type Demo struct {
	// AdminURL is the superuser's connection string, ApplicationURL and OperatorURL
	// those of the roles with the same names.
	AdminURL, ApplicationURL, OperatorURL string
	// Clients are the tenants below Agency, the largest first.
	Clients []Client
	Agency  Client
	// SecretFile holds the key that signs tokens; ConfigFile is a moat.yaml for it.
	SecretFile, ConfigFile string
	// SealKeyFile holds the key of sealed mode; empty in plain mode.
	SealKeyFile string

	server   *postgres.Server
	signer   *auth.Signer
	operator *auth.Signer // has a key of its own
}

// Start starts PostgreSQL and fills it, unless Dir holds a filled one already.
func Start(ctx context.Context, o Options) (*Demo, error) {
	if o.Dir != "" {
		abs, err := filepath.Abs(o.Dir) // moat.yaml names the secret by its full path
		if err != nil {
			return nil, err
		}
		o.Dir = abs
	}
	dir, err := o.serverDir()
	if err != nil {
		return nil, err
	}
	server, err := postgres.Start(ctx, postgres.Options{Dir: dir, Download: o.Download})
	if err != nil {
		return nil, err
	}
	files := o.Dir
	if files == "" {
		files = filepath.Dir(server.LogFile()) // goes with the server
	}
	d := &Demo{
		Agency:         Client{Name: agency.name, Tenant: moat.Tenant(agency.id), Owner: ownerOf(ofAgency)},
		AdminURL:       server.URL(database, postgres.Superuser),
		ApplicationURL: server.URL(database, ApplicationRole),
		OperatorURL:    server.URL(database, OperatorRole),
		server:         server,
	}
	for i, c := range clients {
		d.Clients = append(d.Clients, Client{Name: c.name, Tenant: moat.Tenant(c.id), Owner: ownerOf(i)})
	}
	if err := d.setUp(ctx, o.Sealed, files); err != nil {
		return nil, errors.Join(err, server.Stop())
	}
	return d, nil
}

func (d *Demo) setUp(ctx context.Context, sealed bool, files string) error {
	if err := d.prepare(ctx, d.server); err != nil {
		return err
	}
	if err := d.bindMode(ctx, sealed, files); err != nil {
		return err
	}
	return d.writeFiles(files)
}

// serverDir is the server's folder inside Dir, which it shares with the demo's own
// files. The server may run as another user, who must be able to enter Dir.
func (o Options) serverDir() (string, error) {
	if o.Dir == "" {
		return "", nil
	}
	if err := makeFolder(o.Dir); err != nil {
		return "", fmt.Errorf("make the demo's folder: %w", err)
	}
	return filepath.Join(o.Dir, "postgres"), nil
}

// makeFolder makes a folder that git leaves alone: there will be keys and tokens in it.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("*\n"), 0o644)
}

// Stop stops the server; an ephemeral demo leaves nothing behind.
func (d *Demo) Stop() error { return d.server.Stop() }

// Done is closed when the server has ended.
func (d *Demo) Done() <-chan struct{} { return d.server.Done() }

// Token signs a token for a tenant.
func (d *Demo) Token(tenant moat.Tenant, subject, role string, ttl time.Duration) (string, error) {
	return d.signer.Sign(auth.Identity{Tenant: tenant, Subject: subject, Role: role}, ttl)
}

// OperatorToken signs a token for an operator, who has no tenant.
func (d *Demo) OperatorToken(subject string, ttl time.Duration) (string, error) {
	return d.operator.Sign(auth.Identity{Subject: subject, Role: "operator"}, ttl)
}

// prepare creates and fills the database in one go: it appears under its name only
// when it is complete, so that a kept folder is never half filled.
func (d *Demo) prepare(ctx context.Context, server *postgres.Server) error {
	admin, err := pgx.Connect(ctx, server.URL("postgres", postgres.Superuser))
	if err != nil {
		return fmt.Errorf("connect to the demo's server: %w", err)
	}
	defer admin.Close(ctx)
	var there bool
	if err := admin.QueryRow(ctx, "select exists (select from pg_catalog.pg_database where datname = $1)",
		database).Scan(&there); err != nil || there {
		return err
	}
	const building = database + "_building"
	if err := build(ctx, admin, server.URL(building, postgres.Superuser), building); err != nil {
		return fmt.Errorf("build the demo's database: %w", err)
	}
	_, err = admin.Exec(ctx, fmt.Sprintf("alter database %s rename to %s", building, database))
	return err
}

func build(ctx context.Context, admin *pgx.Conn, url, name string) error {
	// What an interrupted build left is dropped, its roles with it.
	for _, sql := range []string{
		fmt.Sprintf("drop database if exists %s", name),
		"drop role if exists " + strings.Join(append(roles.NotApplications(), roles.Application), ", "),
		fmt.Sprintf("create database %s", name),
	} {
		if _, err := admin.Exec(ctx, sql); err != nil {
			return err
		}
	}
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.PgConn().Exec(ctx, schema).ReadAll(); err != nil {
		return err
	}
	if err := isolate(ctx, conn, url); err != nil {
		return err
	}
	if err := fill(ctx, conn, time.Now()); err != nil {
		return err
	}
	_, err = conn.PgConn().Exec(ctx, "vacuum analyze").ReadAll()
	return err
}

// writeFiles keeps the secrets of an earlier run, so that its tokens stay valid, and its
// moat.yaml, unless the other mode is asked for.
func (d *Demo) writeFiles(dir string) error {
	d.SecretFile, d.ConfigFile = filepath.Join(dir, "token.secret"), filepath.Join(dir, "moat.yaml")
	operatorSecret := filepath.Join(dir, "operator.secret")
	var err error
	if d.signer, err = signer(d.SecretFile, Issuer); err != nil {
		return err
	}
	if d.operator, err = signer(operatorSecret, OperatorIssuer); err != nil {
		return err
	}
	sealed := fmt.Sprintf("sealed: {enabled: %t", d.SealKeyFile != "")
	if kept, err := os.ReadFile(d.ConfigFile); err == nil && strings.Contains(string(kept), sealed) {
		return nil // somebody may have changed it
	}
	text := fmt.Sprintf(doors, Issuer, Audience, d.SecretFile, OperatorIssuer, Audience, operatorSecret,
		d.SealKeyFile != "", d.SealKeyFile)
	return os.WriteFile(d.ConfigFile, []byte(declared+text), 0o600)
}

// signer signs with the secret in a file, which it makes where there is none.
func signer(file, issuer string) (*auth.Signer, error) {
	secret, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		secret = []byte(rand.Text() + rand.Text())
		err = os.WriteFile(file, secret, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("keep the token secret: %w", err)
	}
	return auth.NewSigner(auth.SignerConfig{Algorithm: "HS256", Key: auth.Secret(strings.TrimSpace(string(secret))),
		Issuer: issuer, Audience: Audience})
}
