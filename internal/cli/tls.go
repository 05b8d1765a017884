package cli

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"

	"github.com/moat-db/moat/internal/config"
)

// certificate is what the server shows to clients. It can be read again while the
// server runs, because certificates are renewed more often than servers are restarted.
type certificate struct {
	certFile, keyFile string
	current           atomic.Pointer[tls.Certificate]
}

// loadCertificate returns nil where no certificate is configured: plain HTTP.
func loadCertificate(c config.Serve) (*certificate, error) {
	if c.TLSCertFile == "" {
		return nil, nil
	}
	cert := &certificate{certFile: c.TLSCertFile, keyFile: c.TLSKeyFile}
	return cert, withHint(cert.load(), "serve.tls_cert_file holds the certificate and those that vouch for it, "+
		"serve.tls_key_file its key, both as PEM")
}

// load keeps the old certificate where the new one cannot be read.
func (c *certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("load certificate: %w", err)
	}
	c.current.Store(&pair)
	return nil
}

// config returns nil for plain HTTP.
func (c *certificate) config() *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current.Load(), nil },
	}
}
