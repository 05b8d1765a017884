package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// reloadOnHangup reads the schema and the certificate again and forgets what is known of the tenants on
// each SIGHUP, as a notification does where there is LISTEN. The returned function
// ends that.
func (s *service) reloadOnHangup(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	hangups, done := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
				s.reload(ctx)
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		cancel()
		<-done
	}
}

// reload keeps the old schema, or certificate, where the new one cannot be read.
func (s *service) reload(ctx context.Context) {
	if s.certificate != nil {
		if err := s.certificate.load(); err != nil {
			s.log.Error("certificate could not be reloaded, the old one stays", "error", err)
		}
	}
	if s.api != nil {
		s.api.FlushTenants()
		s.logReload(s.api.Reload(ctx))
	}
	if s.reloadProxy != nil {
		s.rereadProxy()
		s.logReload(s.reloadProxy(ctx))
	}
}

// rereadProxy takes over what moat.yaml says now of the proxy's services and connections.
func (s *service) rereadProxy() {
	if s.reread == nil {
		return
	}
	c, err := s.reread()
	if err != nil {
		s.log.Error("moat.yaml could not be reread, the old one stays", "error", err)
		return
	}
	s.proxyDoor.services.Store(&c.Proxy.Services)
	s.proxy.Resize(c.Proxy.Connections, c.Proxy.TenantConnections)
}

func (s *service) logReload(err error) {
	if err != nil {
		s.log.Error("schema could not be reloaded, the old one stays", "error", err)
	}
}
