package api_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/auth"
	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// BenchmarkRequests compares moat with a plain handler, which does what most
// applications do: the token verified by golang-jwt; BEGIN, set_config, the query,
// COMMIT; structs; encoding/json. The tokens are ES256. "cpu-µs/op" is processor time of this process and of
// PostgreSQL's backends together, divided by the requests.
func BenchmarkRequests(b *testing.B) {
	key, public := keyPair(b)
	s := serve(b, func(c *api.Config) {
		verifier, err := auth.New(b.Context(),
			auth.Config{Issuers: []auth.IssuerConfig{{Issuer: "test", Audience: []string{"moat"}, PEM: public}}})
		if err != nil {
			b.Fatal(err)
		}
		c.Verifier = verifier
		c.Logger = nil
	})
	signer, err := auth.NewSigner(auth.SignerConfig{Key: auth.Secret(key), Issuer: "test", Audience: "moat"})
	if err != nil {
		b.Fatal(err)
	}
	s.signer = signer
	s.db.Exec(b, `INSERT INTO app.events (tenant_id, lead_id, kind, amount, at)
		SELECT '`+tenantA+`', 1, 'kind ' || n % 7, n, timestamptz '2024-01-01' + n * interval '1
			minute' FROM generate_series(1, 20000) n; ANALYZE app.events`)
	plain := plainHandler(b, s, public)
	for _, shape := range []struct{ name, moat, plain string }{
		{"point", "events?id=eq.1500&select=id,lead_id,kind,at,amount", "/plain?id=1500"},
		{"list50", "events?select=id,lead_id,kind,at,amount&order=id.desc&limit=50", "/plain"},
	} {
		b.Run(shape.name+"/moat", func(b *testing.B) { run(b, s, s.handler, "/rest/v1/"+shape.moat) })
		b.Run(shape.name+"/plain", func(b *testing.B) { run(b, s, plain, shape.plain) })
	}
}

func run(b *testing.B, s *server, h http.Handler, path string) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+s.token(b, tenantA))
	for range 20 { // statements are prepared on every connection
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Fatalf("status %d: %s", w.Code, w.Body)
		}
	}
	b.ReportAllocs()
	before := processorTime(b, s.db)
	b.ResetTimer()
	for range b.N {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	b.StopTimer()
	b.ReportMetric(float64((processorTime(b, s.db)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// processorTime is that of this process and of the database's backends.
func processorTime(b *testing.B, db *pgtest.Database) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	total := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	conn, err := pgx.Connect(context.Background(), db.URL)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(context.Background(),
		"SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
	if err != nil {
		b.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		b.Fatal(err)
	}
	for _, pid := range pids {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err != nil {
			continue // not Linux: this process alone
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		for _, field := range fields[11:13] { // utime and stime, in ticks of 10 ms
			ticks, err := strconv.Atoi(field)
			if err != nil {
				b.Fatal(err)
			}
			total += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return total
}

// keyPair makes a P-256 key in PEM form.
func keyPair(b *testing.B) (private, public string) {
	b.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		b.Fatal(err)
	}
	shared, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		b.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: shared}))
}

type event struct {
	ID     int64     `json:"id"`
	LeadID int64     `json:"lead_id"`
	Kind   string    `json:"kind"`
	At     time.Time `json:"at"`
	Amount *float64  `json:"amount"`
}

// plainHandler is the usual handler over a pool of its own.
func plainHandler(b *testing.B, s *server, public string) http.Handler {
	b.Helper()
	key, err := jwt.ParseECPublicKeyFromPEM([]byte(public))
	if err != nil {
		b.Fatal(err)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer("test"), jwt.WithAudience("moat"),
		jwt.WithExpirationRequired())
	pool, err := pgxpool.New(context.Background(), s.db.As(b, s.db.Roles["app"]))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, err := parser.Parse(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "),
			func(*jwt.Token) (any, error) { return key, nil })
		if err != nil {
			http.Error(w, "token", http.StatusUnauthorized)
			return
		}
		tenant := token.Claims.(jwt.MapClaims)["tenant_id"]
		var events []event
		err = pgx.BeginFunc(r.Context(), pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(r.Context(), "SELECT set_config('app.current_tenant', $1, true)", tenant); err != nil {
				return err
			}
			sql, args := "SELECT id, lead_id, kind, at, amount::float8 FROM app.events ORDER BY id DESC LIMIT 50", []any(nil)
			if id := r.URL.Query().Get("id"); id != "" {
				sql, args = "SELECT id, lead_id, kind, at, amount::float8 FROM app.events WHERE id = $1", []any{id}
			}
			rows, err := tx.Query(r.Context(), sql, args...)
			if err != nil {
				return err
			}
			events, err = pgx.CollectRows(rows, pgx.RowToStructByPos[event])
			return err
		})
		if err != nil {
			http.Error(w, fmt.Sprint(err), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(events); err != nil {
			b.Error(err)
		}
	})
}
