package proxy_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/postgres/pgtest"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/proxy"
)

// newSpread is a fixture whose tenants are bound by moat.set_tenant.
func newSpread(t testing.TB, d *pgtest.Database, change func(*proxy.Config)) *fixture {
	t.Helper()
	f := newFixture(t, d, func(c *proxy.Config) {
		c.Options.Citus = moat.CitusOn
		if change != nil {
			change(c)
		}
	})
	f.spread = true
	f.Exec(t, "create schema moat; grant usage on schema moat to "+f.role)
	f.Exec(t, policy.SetTenant(policy.Facts{Tenant: moat.DefaultTenantSetting, Subject: moat.DefaultSubjectSetting,
		Role: moat.DefaultRoleSetting, Claims: moat.DefaultClaimsSetting}))
	return f
}

// spy is a connection to the server that keeps what the proxy has written, write by write.
type spy struct {
	net.Conn
	mu     sync.Mutex
	writes [][]byte
}

func (s *spy) Write(b []byte) (int, error) {
	s.mu.Lock()
	s.writes = append(s.writes, append([]byte(nil), b...))
	s.mu.Unlock()
	return s.Conn.Write(b)
}

// forget drops what was written so far.
func (s *spy) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = nil
}

// took returns what was written since the last call, in short, a line for each write.
func (s *spy) took() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, b := range s.writes {
		var line []string
		for len(b) > 4 {
			n := int(binary.BigEndian.Uint32(b[1:])) + 1
			body := b[5:n]
			switch b[0] {
			case 'P':
				line = append(line, strings.Split(string(body), "\x00")[1])
			case 'Q':
				line = append(line, "Query "+strings.TrimRight(string(body), "\x00"))
			case 'E', 'S':
				line = append(line, string(b[0]))
			}
			b = b[n:]
		}
		lines = append(lines, strings.Join(line, " "))
	}
	s.writes = nil
	return strings.Join(lines, "\n")
}

// BEGIN, the binding, the client's statement, Sync, COMMIT and Sync go to the server at once;
// nothing is left open, whether the statement succeeds or not.
func TestCitusWire(t *testing.T) {
	t.Parallel()
	var to spy
	f := newSpread(t, pgtest.New(t), func(c *proxy.Config) {
		c.Connections = 1
		dial := c.Server.DialFunc
		c.Server.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			to.Conn = conn
			return &to, err
		}
	})
	f.Exec(t, "create table late (id int primary key deferrable initially deferred); insert into late values (1); "+
		"grant insert on late to "+f.role)
	h := open(t, f.url("A"))
	defer h.Conn.Close()
	const set = "begin E select moat.set_tenant($1, $2, $3, $4) E "
	for _, x := range []struct{ sql, answer, wire string }{
		{count, "D=2 SELECT 1 ZI", ""}, {"select 1/0 from leads", "E:22012@0 ZI", ""},
		{"insert into late values (1)", "INSERT 0 1 E:23505@0 ZI", ""},
		{"set work_mem = '2MB'", "SET ZI", "set work_mem = '2MB' E S"},
		{"begin", "BEGIN ZT", "begin E S"},
		{count, "D=2 SELECT 1 ZT", count + " select moat.set_tenant($1, $2, $3, $4) E E S"},
		{count, "D=2 SELECT 1 ZT", count + " E S"}, {"commit", "COMMIT ZI", "commit E S"},
	} {
		if x.wire == "" {
			x.wire = x.sql + " " + set + "E S commit E S"
		}
		to.forget()
		answer := burst(h, join(run(x.sql), syncs)...)
		if wire := to.took(); answer != x.answer || wire != x.wire {
			t.Errorf("%s: %s\n got  %s\n want %s", x.sql, answer, wire, x.wire)
		}
	}
	for _, x := range []struct{ sql, answer string }{
		{count, "D=2 SELECT 1 ZI"}, {"select 1/0 from leads", "E:22012@0 ZI"}, {"select nosuch from leads", "E:42703@8 ZI"},
		{"insert into late values (1)", "INSERT 0 1 E:23505@0 ZI"},
		{"select 'a'; " + count, "D=a SELECT 1 D=2 SELECT 1 ZI"},
	} {
		answer, want := burst(h, simple(x.sql)...), set+"S Query "+x.sql+" S commit E S"
		if wire := to.took(); answer != x.answer || wire != want {
			t.Errorf("simple %s: %s\n got  %s\n want %s", x.sql, answer, wire, want)
		}
	}
}

// burst sends messages and returns the answers to the first ReadyForQuery.
func burst(h *pgconn.HijackedConn, messages ...pgproto3.FrontendMessage) string {
	for _, m := range messages {
		h.Frontend.Send(m)
	}
	if err := h.Frontend.Flush(); err != nil {
		return err.Error()
	}
	var out []string
	for {
		m, err := h.Frontend.Receive()
		if err != nil {
			return strings.Join(append(out, err.Error()), " ")
		}
		switch m := m.(type) {
		case *pgproto3.ReadyForQuery:
			return strings.Join(append(out, "Z"+string(m.TxStatus)), " ")
		case *pgproto3.DataRow:
			out = append(out, "D="+string(m.Values[0]))
		case *pgproto3.CommandComplete:
			out = append(out, string(m.CommandTag))
		case *pgproto3.ErrorResponse:
			out = append(out, fmt.Sprintf("E:%s@%d", m.Code, m.Position))
		case *pgproto3.NoticeResponse:
			out = append(out, "N:"+m.Code)
		}
	}
}

// Strings that no binding fits are refused, and the others are bound; what a segment begins and
// ends itself is the client's.
func TestCitusStrings(t *testing.T) {
	t.Parallel()
	f := newSpread(t, pgtest.New(t), nil)
	for _, x := range []struct {
		want     string
		messages []pgproto3.FrontendMessage
	}{
		{"BEGIN D=2 SELECT 1 COMMIT ZI", simple("begin; " + count + "; commit")},
		{"E:0A000@0 ZI", simple(count + "; commit; " + count)},
		{"E:0A000@0 ZI", simple("begin; " + count + "; commit; " + count)},
		{"E:0A000@0 ZI", simple("copy sink from stdin")},
		{"BEGIN D=2 SELECT 1 COMMIT D=2 SELECT 1 ZT",
			join(run("begin"), run(count), run("commit and chain"), run(count), syncs)},
		{"D=2 SELECT 1 N:25001 BEGIN ZT", join(run(count), run("begin"), syncs)},
		{"D=2 SELECT 1 COMMIT ZI", join(run(count), run("commit"), syncs)},
		{"E:22012@0 ZI", join(run("select 1/0 from leads"), run("begin"), run(count), syncs)},
		{"E:22012@0 ZI", join(run("select 1/0 from leads"), run("commit"), run(count), syncs)},
		{"BEGIN E:22012@0 ZE", join(run("begin"), run("select 1/0 from leads"), run("commit"), run(count), syncs)},
	} {
		h := open(t, f.url("A"))
		if got := burst(h, x.messages...); got != x.want {
			t.Errorf("%s:\n got  %s\n want %s", describe(x.messages), got, x.want)
		}
		if got := burst(h, simple("rollback")...); !strings.HasSuffix(got, "ZI") {
			t.Errorf("%s: then %s", describe(x.messages), got)
		}
		h.Conn.Close()
	}
	// The binding's own error is what the client reads, by both protocols.
	h := open(t, f.url("A"))
	defer h.Conn.Close()
	burst(h, simple("set app.current_tenant = '"+string(tenantB)+"'")...)
	for _, messages := range [][]pgproto3.FrontendMessage{simple(count), join(run(count), syncs)} {
		if got := burst(h, messages...); got != "E:25001@0 ZI" {
			t.Errorf("another tenant: %s", got)
		}
	}
}

// A real cluster: many connections of many tenants, with errors and cancels. Every answer is
// the tenant's own, and none is empty.
func TestCitusReal(t *testing.T) {
	t.Parallel()
	d := pgtest.NewCitus(t)
	f := newSpread(t, d, func(c *proxy.Config) { c.Connections = 20 })
	f.Exec(t, "drop policy tenant_isolation on leads; drop policy tenant_access on leads; create policy tenant_isolation "+
		"on leads using (tenant_id = nullif(current_setting('app.current_tenant', true), '')::uuid)")
	f.Exec(t, "select create_distributed_table('leads', 'tenant_id')")
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	var wg sync.WaitGroup
	var mu sync.Mutex
	tally := map[string]int{}
	for i := range 8 {
		token, want := []string{"A", "B"}[i%2], []string{"2 2", "3 3"}[i%2]
		conn := f.connect(t, token, modes[i%len(modes)])
		wg.Go(func() {
			for ctx.Err() == nil && !conn.IsClosed() {
				got := f.once(t, conn, token)
				if !strings.HasPrefix(got, "error") && got != want {
					t.Errorf("%s sees %s", token, got)
				}
				mu.Lock()
				tally[got]++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Log(tally)
	if tally["2 2"] < 20 || tally["3 3"] < 20 || tally["error 22012"] < 20 || tally["error 57014"] < 1 {
		t.Errorf("answers: %v", tally)
	}
}

// once counts a tenant's leads, or fails, or is cancelled by another connection.
func (f *fixture) once(t *testing.T, conn *pgx.Conn, token string) string {
	tenant := map[string]moat.Tenant{"A": tenantA, "B": tenantB}[token]
	sql := fmt.Sprintf("select count(*) || ' ' || count(*) filter (where tenant_id = '%s') from leads", tenant)
	switch rand.IntN(5) {
	case 0:
		sql = "select (1 / (id - 1))::text from leads"
	case 1:
		sql = fmt.Sprintf("select count(*)::text || pg_sleep(1) from leads where tenant_id = '%s'", tenant)
		timer := time.AfterFunc(20*time.Millisecond, func() { _ = conn.PgConn().CancelRequest(context.Background()) })
		defer timer.Stop()
	}
	var got string
	if err := conn.QueryRow(t.Context(), sql).Scan(&got); err != nil {
		var pgErr *pgconn.PgError
		if errors.As(err, &pgErr) {
			return "error " + pgErr.Code
		}
		return "error " + err.Error()
	}
	return got
}
