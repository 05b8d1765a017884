package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/demo"
)

const (
	issuer   = "https://bench.moat.test"
	audience = "bench"
	// tokens is how many callers there are, spread over the tenants.
	tokens = 60
)

// database is the demo's, with tokens signed by ES256.
type database struct {
	demo    *demo.Demo
	admin   *pgx.Conn
	version string
	dir     string // of the files below, and of the program moat
	key     string // the public key
	signer  *auth.Signer
	callers []caller
}

// caller is one subject of a tenant, with a lead of that tenant to read.
type caller struct {
	tenant, subject, token, lead string
}

func openDatabase(ctx context.Context) (*database, error) {
	d := &database{}
	var err error
	if d.dir, err = os.MkdirTemp("", "moat-bench-"); err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", d.dir, "github.com/moat-db/moat/cmd/moat")
	if build.Stderr = os.Stderr; build.Run() != nil {
		return nil, errors.Join(errors.New("moat does not build"), os.RemoveAll(d.dir))
	}
	if d.demo, err = demo.Start(ctx, demo.Options{}); err != nil {
		return nil, errors.Join(err, os.RemoveAll(d.dir))
	}
	if err := d.prepare(ctx); err != nil {
		return nil, errors.Join(err, d.close())
	}
	return d, nil
}

func (d *database) prepare(ctx context.Context) error {
	var err error
	if d.admin, err = pgx.Connect(ctx, d.demo.AdminURL); err != nil {
		return err
	}
	// Nothing but the servers under test is to take time.
	for _, sql := range []string{"alter system set autovacuum = off", "alter system set jit = off",
		"select pg_reload_conf()"} {
		if _, err := d.admin.Exec(ctx, sql); err != nil {
			return err
		}
	}
	if err := d.admin.QueryRow(ctx, "show server_version").Scan(&d.version); err != nil {
		return err
	}
	if d.signer, err = d.makeKey(); err != nil {
		return err
	}
	for i := range tokens {
		tenant := d.demo.Clients[i%len(d.demo.Clients)].Tenant
		c := caller{tenant: string(tenant), subject: fmt.Sprintf("caller-%d", i)}
		if c.token, err = d.signer.Sign(auth.Identity{Tenant: tenant, Subject: c.subject, Role: "client"},
			time.Hour); err != nil {
			return err
		}
		if err := d.admin.QueryRow(ctx, "select id::text from app.leads where tenant_id = $1 order by id offset $2 limit 1",
			c.tenant, i).Scan(&c.lead); err != nil {
			return err
		}
		d.callers = append(d.callers, c)
	}
	return nil
}

// makeKey writes the public half for the servers to read.
func (d *database) makeKey() (*auth.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	d.key = filepath.Join(d.dir, "key.pem")
	if err := os.WriteFile(d.key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}), 0o600); err != nil {
		return nil, err
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	return auth.NewSigner(auth.SignerConfig{Key: auth.Secret(private), Issuer: issuer, Audience: audience})
}

func (d *database) close() error {
	if d.admin != nil {
		d.admin.Close(context.Background())
	}
	return errors.Join(d.demo.Stop(), os.RemoveAll(d.dir))
}

// url is the application role's, under a name that tells the servers' backends apart.
func (d *database) url(name string) string {
	return d.demo.ApplicationURL + "&application_name=" + name
}
