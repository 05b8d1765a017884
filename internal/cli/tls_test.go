package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/moat-db/moat/internal/config"
)

// certify writes a certificate for 127.0.0.1 with this number, and its key.
func certify(t *testing.T, folder string, number int64) (config.Serve, *x509.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(number), NotBefore: time.Now().Add(-time.Hour),
		NotAfter:    time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := config.Serve{TLSCertFile: filepath.Join(folder, "cert.pem"), TLSKeyFile: filepath.Join(folder, "key.pem")}
	for file, block := range map[string]*pem.Block{c.TLSCertFile: {Type: "CERTIFICATE", Bytes: der},
		c.TLSKeyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c, parsed
}

// With a certificate the server speaks HTTPS and HTTP/2, and nothing older than TLS 1.2.
func TestServeTLS(t *testing.T) {
	t.Parallel()
	c, cert := certify(t, t.TempDir(), 1)
	s := startServe(t, "serve: {tls_cert_file: "+c.TLSCertFile+", tls_key_file: "+c.TLSKeyFile+"}")
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	res, err := (&http.Client{Transport: transport}).Get(s.url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.ProtoMajor != 2 || res.TLS.Version != tls.VersionTLS13 {
		t.Errorf("%s over %s", res.Proto, tls.VersionName(res.TLS.Version))
	}
	old := &tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	if conn, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), old); err == nil {
		conn.Close()
		t.Error("TLS 1.1 was accepted")
	}
}

// A renewed certificate is shown without a restart; one that cannot be read is not.
func TestCertificateIsReadAgain(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	c, _ := certify(t, folder, 1)
	cert, err := loadCertificate(c)
	if err != nil {
		t.Fatal(err)
	}
	shown := func() int64 {
		pair, err := cert.config().GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		return leaf.SerialNumber.Int64()
	}
	certify(t, folder, 2)
	if got := shown(); got != 1 {
		t.Errorf("before it is read: %d", got)
	}
	if err := cert.load(); err != nil || shown() != 2 {
		t.Errorf("read again: %d, %v", shown(), err)
	}
	if err := os.WriteFile(c.TLSKeyFile, []byte("half a fi"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cert.load(); err == nil || shown() != 2 {
		t.Errorf("a broken key: %d, %v", shown(), err)
	}
}
