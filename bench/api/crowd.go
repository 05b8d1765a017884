package main

import (
	"context"
	"crypto/md5"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/roles"
	"github.com/moat-db/moat/internal/serving"
	"github.com/moat-db/moat/protect"
	"github.com/moat-db/moat/tenancy"
)

// crowd is a database of many tenants and what serves it. All have the same number of rows,
// which lie apart as they come in, and as many callers.
type crowd struct {
	tenants, each int       // tenants, and rows of each
	admin         string    // the superuser's URL
	plain         *pgx.Conn // as the superuser
	tenantNumbers map[moat.Tenant]int
	db            *moat.DB
	server        *server
	door          *serving.Door
	check         *serving.Check
	gate          http.Handler // a gate of its own, and nothing behind it
	callers       []caller     // some subjects of the tenants
	all           []caller     // one subject of each tenant, or some of each
	cookies       []string     // of the callers, signed in to the portal
}

const crowdSchema = `
CREATE SCHEMA app AUTHORIZATION moat_owner;
CREATE TABLE app.tenants (id uuid PRIMARY KEY, name text NOT NULL, suspended_at timestamptz);
INSERT INTO app.tenants SELECT md5(i::text)::uuid, 'Tenant ' || i FROM generate_series(0, %[1]d - 1) i;
CREATE TABLE app.members (tenant_id uuid NOT NULL REFERENCES app.tenants, subject text NOT NULL, role text NOT NULL,
  PRIMARY KEY (tenant_id, subject));
INSERT INTO app.members SELECT id, 'caller', 'client' FROM app.tenants;
CREATE TABLE app.leads (tenant_id uuid NOT NULL, id bigint NOT NULL, name text NOT NULL, state text NOT NULL,
  created_at timestamptz NOT NULL);
INSERT INTO app.leads SELECT md5((i %% %[1]d)::text)::uuid, i / %[1]d, 'Lead number ' || i, 'new',
  timestamptz '2026-01-01' + i * interval '1 second' FROM generate_series(0, %[2]d - 1) i;
ALTER TABLE app.leads ADD PRIMARY KEY (tenant_id, id), ADD FOREIGN KEY (tenant_id) REFERENCES app.tenants;
CREATE INDEX ON app.leads (tenant_id, created_at DESC);
GRANT USAGE ON SCHEMA app TO moat_app;
GRANT SELECT ON app.tenants, app.members TO moat_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.leads TO moat_app`

const crowdConfiguration = `
tenant: {column: tenant_id, type: uuid, setting: app.current_tenant, table: app.tenants, key: id}
tables: {schemas: [app]}
auth: {issuers: [{issuer: %s, audience: %s, pem_file: %s, tenant_claim: tenant_id, role_claim: role}]}
serve: {pool_size: %d}
portal: {paste_tokens: true}
limits: {requests_per_second: 0}
`

// busy is how many callers are asking in most measurements; manyCallers are more than the
// server remembers tokens.
const busy, manyCallers = 1000, 20_000

func tenantOf(i int) moat.Tenant {
	h := md5.Sum(fmt.Append(nil, i))
	return moat.Tenant(fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:]))
}

// openCrowd fills a database, protects it by moat's own plan, and starts moat serve on it, with so
// many connections.
func openCrowd(ctx context.Context, d *database, tenants, rows, pool int) (*crowd, error) {
	c := &crowd{tenants: tenants, each: rows / tenants}
	name := fmt.Sprintf("crowd_%d", tenants)
	if _, err := d.admin.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return nil, err
	}
	c.admin = at(d.demo.AdminURL, name)
	if err := c.fill(ctx, rows); err != nil {
		return nil, fmt.Errorf("fill: %w", err)
	}
	if err := c.sign(d); err != nil {
		return nil, err
	}
	if err := c.open(ctx, at(d.demo.ApplicationURL, name)); err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	var err error
	c.server, err = startMoatOn(ctx, d, name, at(d.demo.ApplicationURL, name)+"&application_name="+name,
		fmt.Sprintf(crowdConfiguration, issuer, audience, d.key, pool))
	if err != nil {
		return nil, err
	}
	return c, c.signIn(ctx)
}

// at is a URL of another database of the same server.
func at(server, name string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	u.Path = "/" + name
	return u.String()
}

func (c *crowd) fill(ctx context.Context, rows int) error {
	open := func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, c.admin) }
	conn, err := open(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.PgConn().Exec(ctx, fmt.Sprintf(crowdSchema, c.tenants, rows)).ReadAll(); err != nil {
		return err
	}
	plan, _, _, err := protect.Look(ctx, conn, tenancy.Options{Schemas: []string{"app"}, Column: "tenant_id"},
		protect.Config{Roles: protect.Roles{Owner: roles.Owner, Application: roles.Application,
			Operator: roles.Operator, Definer: roles.Definer}})
	if err != nil {
		return err
	}
	if _, err := protect.Apply(ctx, open, plan, protect.ApplyOptions{Until: protect.GroupGuards}); err != nil {
		return err
	}
	for _, sql := range []string{"VACUUM (ANALYZE, FREEZE)", "CHECKPOINT"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// read has the rows and their indexes in the machine's memory: what was filled first may have been
// pushed out.
func (c *crowd) read(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.admin)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.PgConn().Exec(ctx, "CREATE EXTENSION pg_prewarm; SELECT sum(pg_prewarm(c.oid, 'read')) FROM pg_class c "+
		"WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'i')").ReadAll()
	return err
}

func (c *crowd) sign(d *database) error {
	caller := func(i, tenant int) (caller, error) {
		who := caller{tenant: string(tenantOf(tenant)), subject: fmt.Sprintf("caller-%d", i)}
		var err error
		who.token, err = d.signer.Sign(auth.Identity{Tenant: moat.Tenant(who.tenant), Subject: who.subject,
			Role: "client"}, 4*time.Hour)
		return who, err
	}
	for i := range manyCallers {
		who, err := caller(i, i*max(1, c.tenants/manyCallers)%c.tenants)
		if err != nil {
			return err
		}
		c.all = append(c.all, who)
	}
	c.callers = append(c.callers, c.all...)
	rand.Shuffle(len(c.callers), func(i, j int) { c.callers[i], c.callers[j] = c.callers[j], c.callers[i] })
	c.callers = c.callers[:busy]
	return nil
}

func (c *crowd) open(ctx context.Context, app string) error {
	var err error
	c.db, err = moat.Open(ctx, app, &moat.Options{ConfigurePool: func(p *pgxpool.Config) { p.MaxConns = 2 }})
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, app)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if c.plain, err = pgx.Connect(ctx, c.admin); err != nil {
		return err
	}
	view, err := tenancy.Read(ctx, conn, tenancy.Options{Schemas: []string{"app"}, Column: "tenant_id"})
	if err != nil {
		return err
	}
	members := serving.Membership{Table: catalog.QName{Schema: "app", Name: "members"}, Role: "role"}
	c.door = serving.NewDoor(c.db, serving.Admission{Membership: members, Age: time.Hour})
	if c.check, err = c.door.Check(view); err != nil {
		return err
	}
	c.gate = newGate()
	return nil
}

// newGate is a gate that every tenant passes at its rate and with a turn at the pool.
func newGate() http.Handler {
	g := serving.NewGate(8, serving.Limits{RequestsPerSecond: 1e6})
	return g.Hold(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		x := g.ExchangeOf(r)
		if err := x.Arrive(r.Context(), r.Header.Get("Tenant")); err != nil {
			x.Fail(err)
		} else if err := x.Turn(r.Context()); err != nil {
			x.Fail(err)
		}
	}), func(w http.ResponseWriter, _ *http.Request, err error) {
		http.Error(w, err.Error(), http.StatusTooManyRequests)
	})
}

// signIn signs the callers in to the portal.
func (c *crowd) signIn(ctx context.Context) error {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, who := range c.callers {
		r, err := http.NewRequestWithContext(ctx, "POST", "http://"+c.server.address+"/portal/sign-in",
			strings.NewReader(url.Values{"token": {who.token}}.Encode()))
		if err != nil {
			return err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusSeeOther || len(answer.Cookies()) == 0 {
			return fmt.Errorf("sign-in to the portal: %s: %s", answer.Status, c.server.tail.String())
		}
		c.cookies = append(c.cookies, answer.Cookies()[0].Name+"="+answer.Cookies()[0].Value)
	}
	return nil
}

func (c *crowd) close() {
	if c.plain != nil {
		c.plain.Close(context.Background())
	}
	if c.db != nil {
		c.db.Close()
	}
	if c.server != nil {
		c.server.stop()
	}
}
