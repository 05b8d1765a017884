package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// shutdownTimeout is how long requests may take to end after a signal.
const shutdownTimeout = 10 * time.Second

// newHTTPServer bounds what a client can hold open. How long a body and an answer may
// take is up to the client's progress: [serving.Gate] looks at it, and livingListener.
func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		// What a stream has sent and nobody has read yet is held: no more than a packet or two.
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 100, MaxReceiveBufferPerConnection: 128 << 10,
			MaxReceiveBufferPerStream: 64 << 10, SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second,
			WriteByteTimeout: deadAfter},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// endpoint is a server and where it listens.
type endpoint struct {
	server   *http.Server
	listener net.Listener
}

// serveEach serves until ctx ends, or one of them fails, which ends the others.
func serveEach(ctx context.Context, all ...endpoint) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, len(all))
	for _, e := range all {
		go func() { ended <- serveHTTP(ctx, e.server, e.listener) }()
	}
	var err error
	for range all {
		err = errors.Join(err, <-ended)
		stop()
	}
	return err
}

// serveHTTP serves until ctx ends, then lets requests finish. It speaks TLS, and with
// it HTTP/2, where the server has a certificate.
func serveHTTP(ctx context.Context, server *http.Server, l net.Listener) error {
	failed, l := make(chan error, 1), net.Listener(livingListener{l, deadAfter})
	go func() {
		if server.TLSConfig != nil {
			failed <- server.ServeTLS(l, "", "")
			return
		}
		failed <- server.Serve(l)
	}()
	select {
	case err := <-failed:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(fmt.Errorf("shut down: %w", err), server.Close())
	}
	return nil
}

// listen takes the address, or any free port where the address is only preferred.
func listen(address string, preferred bool) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil && preferred {
		host, _, _ := net.SplitHostPort(address)
		l, err = net.Listen("tcp", net.JoinHostPort(host, "0"))
	}
	if err != nil {
		return nil, withHint(fmt.Errorf("listen: %w", err),
			"another program may use the port; --addr 127.0.0.1:0 takes a free one")
	}
	return l, nil
}
