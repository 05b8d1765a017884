package proxy

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/alive"
)

// upstream is a connection to the server and what it may be used again for.
type upstream struct {
	*pgconn.HijackedConn
	key    string
	tenant moat.Tenant
	since  time.Time // it has no client
}

// upstreams are the connections to the server, bounded in all and for each tenant.
type upstreams struct {
	config Config

	mu      sync.Mutex
	open    int
	tenants map[moat.Tenant]int
	idle    []*upstream
	freed   chan struct{} // closed, and made anew, when something becomes free
	closed  bool
}

func newUpstreams(c Config) *upstreams {
	c.Server = c.Server.Copy()
	alive.Conn(c.Server)
	return &upstreams{config: c, tenants: map[moat.Tenant]int{}, freed: make(chan struct{})}
}

// take returns a connection for the scope with the client's parameters: one that has
// served exactly these, or a new one.
func (u *upstreams) take(ctx context.Context, s moat.Scope, parameters map[string]string) (*upstream, error) {
	key := keyOf(s, parameters)
	ctx, cancel := context.WithTimeout(ctx, u.config.Wait)
	defer cancel()
	for {
		reused, victim, wait := u.place(s.Tenant, key)
		if victim != nil {
			_ = victim.Conn.Close()
		}
		switch {
		case reused != nil:
			return reused, nil
		case wait == nil:
			return u.connect(ctx, s, key, parameters)
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, fatal(codeTooMany, "too many connections of the tenant, or of all",
				"close connections that are not used, or raise proxy.connections")
		}
	}
}

// place finds a kept connection, or makes room for a new one, perhaps in the place of
// another that has no client. Otherwise it returns what to wait for.
func (u *upstreams) place(tenant moat.Tenant, key string) (reused, victim *upstream, wait chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	own := tenant != ""                          // a pool's are of no tenant
	if own && u.used(tenant) >= u.most(tenant) { // a limit may be lower than it was
		return nil, nil, u.freed
	}
	for i, c := range u.idle {
		if c.key == key {
			u.idle = slices.Delete(u.idle, i, i+1)
			return c, nil, nil
		}
	}
	full := own && u.tenants[tenant] >= u.most(tenant)
	if full || u.open >= u.config.Connections {
		i := slices.IndexFunc(u.idle, func(c *upstream) bool { return !full || c.tenant == tenant })
		if i < 0 {
			return nil, nil, u.freed
		}
		victim = u.idle[i]
		u.idle = slices.Delete(u.idle, i, i+1)
		u.forget(victim.tenant)
	}
	u.open++
	u.tenants[tenant]++
	return nil, victim, nil
}

// used is how many connections of a tenant have a client; u.mu is held.
func (u *upstreams) used(tenant moat.Tenant) int {
	n := u.tenants[tenant]
	for _, c := range u.idle {
		if c.tenant == tenant {
			n--
		}
	}
	return n
}

// most is how many connections a tenant may have.
func (u *upstreams) most(tenant moat.Tenant) int {
	if u.config.Most != nil {
		if own := u.config.Most(tenant); own > 0 {
			return own
		}
	}
	return u.config.TenantConnections
}

// forget gives a place back; u.mu is held.
func (u *upstreams) forget(tenant moat.Tenant) {
	u.open--
	if u.tenants[tenant]--; u.tenants[tenant] == 0 {
		delete(u.tenants, tenant)
	}
	u.wake()
}

// wake has those that wait look again; u.mu is held.
func (u *upstreams) wake() {
	close(u.freed)
	u.freed = make(chan struct{})
}

func (u *upstreams) connect(ctx context.Context, s moat.Scope, key string,
	parameters map[string]string) (*upstream, error) {
	c := u.config.Server.Copy()
	maps.Copy(c.RuntimeParams, parameters)
	hijacked, err := u.hijack(ctx, c, s)
	if err != nil {
		u.mu.Lock()
		u.forget(s.Tenant)
		u.mu.Unlock()
		return nil, fmt.Errorf("connect to the server: %w", err)
	}
	return &upstream{HijackedConn: hijacked, key: key, tenant: s.Tenant}, nil
}

func (u *upstreams) hijack(ctx context.Context, c *pgconn.Config, s moat.Scope) (*pgconn.HijackedConn, error) {
	if err := u.standing(c, s); err != nil {
		return nil, err
	}
	conn, err := pgconn.ConnectConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	return taken(ctx, conn)
}

// taken is what is beneath a connection. When a write is slow, pgconn begins to read in the
// background, and that goes on after the answer: what it reads next would be lost to us.
func taken(ctx context.Context, conn *pgconn.PgConn) (*pgconn.HijackedConn, error) {
	if err := conn.SyncConn(ctx); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	hijacked, err := conn.Hijack()
	if err == nil {
		hijacked.Frontend = nil // its buffers would be kept as long as the connection
	}
	return hijacked, err
}

// mostStanding is what PostgreSQL reads of a start-up message, less what a driver adds.
const mostStanding = 8000

// standing makes the scope the connection's own as well, in plain mode: a COMMIT inside a
// string, or inside a procedure, then leaves the right tenant and not none. It is all of
// the scope or nothing, for a policy may open to who has no role. The other servers of Citus
// get no start-up parameters: there, a tenant is in a transaction or nowhere.
func (u *upstreams) standing(c *pgconn.Config, s moat.Scope) error {
	o := u.config.Options
	if o.Sealer != nil || o.Citus == moat.CitusOn || s.Tenant == "" {
		return nil
	}
	settings, err := moat.Settings(s, o)
	if err != nil {
		return err
	}
	size := 0
	for name, value := range settings {
		size += len(name) + len(value) + 2
	}
	if size <= mostStanding {
		maps.Copy(c.RuntimeParams, settings)
	}
	return nil
}

// put gives a connection back. One that is not clean, or cannot be cleared, is closed.
func (u *upstreams) put(ctx context.Context, c *upstream, clean bool) {
	if !clean || !cleared(ctx, c) {
		u.drop(c)
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		_ = c.Conn.Close()
		return
	}
	c.since = time.Now()
	u.idle = append(u.idle, c)
	time.AfterFunc(u.config.Idle, u.expire)
	u.wake()
}

func (u *upstreams) drop(c *upstream) {
	_ = c.Conn.Close()
	u.mu.Lock()
	u.forget(c.tenant)
	u.mu.Unlock()
}

// expire closes what nobody has wanted for a while.
func (u *upstreams) expire() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.idle = slices.DeleteFunc(u.idle, func(c *upstream) bool {
		if time.Since(c.since) < u.config.Idle {
			return false
		}
		_ = c.Conn.Close()
		u.forget(c.tenant)
		return true
	})
}

func (u *upstreams) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for _, c := range u.idle {
		_ = c.Conn.Close()
	}
	u.idle = nil
}

// cleared empties the session of a connection.
func cleared(ctx context.Context, c *upstream) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c.TxStatus, c.Frontend = 'I', pgproto3.NewFrontend(c.Conn, c.Conn)
	conn, err := pgconn.Construct(c.HijackedConn)
	if err != nil {
		return false
	}
	if _, err := conn.Exec(ctx, "discard all").ReadAll(); err != nil {
		return false
	}
	hijacked, err := taken(ctx, conn)
	if err != nil {
		return false
	}
	c.HijackedConn = hijacked
	return true
}

// keyOf names everything that a connection was opened with.
func keyOf(s moat.Scope, parameters map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q %q %q %q %q", s.Tenant, s.Subject, s.Issuer, s.Role, s.Claims)
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		fmt.Fprintf(&b, " %q=%q", name, parameters[name])
	}
	return b.String()
}
