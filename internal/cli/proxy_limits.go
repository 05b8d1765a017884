package cli

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/serving"
)

// proxyLimits are how many connections tenants may have that have limits of their own.
type proxyLimits struct {
	mu    sync.Mutex
	known map[moat.Tenant]proxyLimit
}

type proxyLimit struct {
	connections int // 0: as all
	until       time.Time
}

// mostProxyLimits bounds the memory; beyond it all are asked for again.
const mostProxyLimits = 100_000

// ask asks for the limits of a scope's tenant, once a second at most.
func (l *proxyLimits) ask(ctx context.Context, door *serving.Door, c *serving.Check, s moat.Scope) error {
	l.mu.Lock()
	old := l.known[s.Tenant]
	l.mu.Unlock()
	if c.LimitSQL() == "" || time.Now().Before(old.until) {
		return nil
	}
	own, err := door.Limit(ctx, c, s)
	if err != nil {
		return err
	}
	now := proxyLimit{until: time.Now().Add(time.Second)}
	if own.Connections != nil {
		now.connections = *own.Connections
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil || len(l.known) >= mostProxyLimits {
		l.known = map[moat.Tenant]proxyLimit{}
	}
	l.known[s.Tenant] = now
	return nil
}

func (l *proxyLimits) most(tenant moat.Tenant) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known[tenant].connections
}

// watchForProxy keeps what the proxy's door asks current, once it has been read.
func (s *service) watchForProxy(ctx context.Context, d *proxyDoor) error {
	if s.check {
		return s.reloadProxy(ctx)
	}
	w := serving.Watch{
		Connect: func(ctx context.Context) (*pgx.Conn, error) { return moat.Connect(ctx, s.appURL) },
		Reload:  s.reloadProxy, Flush: d.door.Flush, Every: 5 * time.Second, Logger: s.log, Cause: serving.Cause,
	}
	w.Begin(ctx)
	if err := s.reloadProxy(ctx); err != nil {
		w.End(ctx)
		return err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() { defer close(done); w.Run(ctx) }()
	s.onClose(func() { stop(); <-done })
	return nil
}
