package proxy_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/proxy"
)

// What a token says beside the tenant travels as text in a simple query. It stays what it
// says: no value ends its quotes, or is taken for the place of another.
func TestFactsStayText(t *testing.T) {
	t.Parallel()
	foreign := "set_config('app.current_tenant', '" + string(tenantB) + "', true)"
	for _, subject := range []string{"o'hara", `\' || ` + foreign, "$moat$, true), " + foreign +
		", set_config('a.b', $moat$",
		"x$moat", "x$moat$", "$3", "$1$2$3$4", "\u0000$4\u0000", "$moat_$", "é;commit;", "a\nb"} {
		claims, err := json.Marshal(map[string]string{"name": "$moat$, true), " + foreign + ", set_config('a.b', $moat$x",
			"sub": subject})
		if err != nil {
			t.Fatal(err)
		}
		f := newFixture(t, pgtest.New(t), func(c *proxy.Config) {
			verify := c.Verify
			c.Verify = func(ctx context.Context, token, tenant string) (proxy.Caller, error) {
				caller, err := verify(ctx, token, tenant)
				caller.Scope = moat.Scope{Tenant: caller.Scope.Tenant, Subject: subject, Claims: claims}
				return caller, err
			}
		})
		conn, err := pgx.Connect(t.Context(), f.url("A")+"&default_query_exec_mode=simple_protocol")
		if strings.ContainsRune(subject, 0) {
			if err == nil {
				_, err = conn.Exec(t.Context(), allNames)
				_ = conn.Close(t.Context())
			}
			if err == nil {
				t.Errorf("%q: a zero byte is taken", subject)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", subject, err)
			continue
		}
		want(t, subject, names(t, conn, allNames), "a1 a2")
		want(t, subject, names(t, conn, "select current_setting('app.subject') from leads limit 1"), subject)
		want(t, subject, names(t, conn, "select current_setting('request.jwt.claims')"), string(claims))
		_ = conn.Close(t.Context())
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	f := newFixture(t, pgtest.New(t), func(c *proxy.Config) {
		c.TLS = &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, MinVersion: tls.VersionTLS12}
	})
	for _, mode := range []string{"sslmode=require", "sslmode=require&sslnegotiation=direct"} {
		conn, err := pgx.Connect(t.Context(), strings.Replace(f.url("A"), "sslmode=disable", mode, 1))
		if err != nil {
			t.Errorf("%s: %v", mode, err)
			continue
		}
		if _, ok := conn.PgConn().Conn().(*tls.Conn); !ok {
			t.Errorf("%s: the connection is in the open", mode)
		}
		want(t, mode, names(t, conn, allNames), "a1 a2")
		_ = conn.Close(t.Context())
	}
	// On loopback it may go without; elsewhere not.
	if conn, err := pgx.Connect(t.Context(), f.url("A")); err != nil {
		t.Errorf("without TLS on loopback: %v", err)
	} else {
		_ = conn.Close(t.Context())
	}
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = f.proxy.Serve(elsewhere{inner}) }()
	url := strings.Replace(f.url("A"), f.addr, inner.Addr().String(), 1)
	if conn, err := pgx.Connect(t.Context(), url); code(err) != "28000" {
		if err == nil {
			_ = conn.Close(t.Context())
		}
		t.Errorf("without TLS elsewhere: %v", err)
	}
	conn, err := pgx.Connect(t.Context(), strings.Replace(url, "sslmode=disable", "sslmode=require", 1))
	if err != nil {
		t.Fatalf("with TLS elsewhere: %v", err)
	}
	_ = conn.Close(t.Context())
}

// elsewhere is a listener whose connections seem to come in by another interface.
type elsewhere struct{ net.Listener }

func (l elsewhere) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return elsewhereConn{conn}, err
}

type elsewhereConn struct{ net.Conn }

func (elsewhereConn) LocalAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 6432}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
