package proxy_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

var modelSteps = flag.Int("steps", 8_000, "protocol messages of TestModel for each kind of connection; -short: a tenth")

// Random clients send the same messages through the proxy and to the server itself. The
// server is the model: what it answers to a connection whose tenant is set is what the
// proxy must answer. The proxied database is sealed, or bound as on Citus, so that a binding
// that is missing shows.
func TestModel(t *testing.T) {
	t.Parallel()
	steps := *modelSteps
	if testing.Short() {
		steps /= 40
	}
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		for _, token := range []string{"A", "B", "service"} {
			t.Run(token, func(t *testing.T) {
				t.Parallel()
				// Databases of their own: transactions that run beside each other may not serialize.
				for _, x := range []struct {
					proxied *fixture
					steps   int
				}{{newSealed(t, c.New(t)), steps}, {newSpread(t, c.New(t), nil), steps / 2}} {
					plain, done := newFixture(t, c.New(t), nil), 0
					for seed := uint64(1); done < x.steps && !t.Failed(); seed++ {
						done += compare(t, x.proxied, plain, token, seed)
					}
					t.Logf("%d messages were answered as the server answers them", done)
				}
			})
		}
	})
}

// compare runs one random client on both sides and returns how many messages it sent.
func compare(t *testing.T, other, plain *fixture, token string, seed uint64) int {
	t.Helper()
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 7)), pool: token == "service", spread: other.spread}
	proxied := open(t, other.url(token))
	defer proxied.Conn.Close()
	direct := plain.As(t, plain.role)
	if own := map[string]string{"A": string(tenantA), "B": string(tenantB)}[token]; own != "" {
		direct += "&options=-c%20app.current_tenant%3D" + own
	}
	model := open(t, direct)
	defer model.Conn.Close()
	for range 12 {
		burst := g.burst()
		want, got := exchange(model, burst, true), exchange(proxied, burst, false)
		if got != want {
			t.Errorf("seed %d, %s:\n%s\n got  %s\n want %s", seed, token, describe(burst), got, want)
			return g.sent
		}
		if strings.HasSuffix(want, io.ErrUnexpectedEOF.Error()) {
			return g.sent // the connection has ended, on both sides
		}
	}
	return g.sent
}

func open(t *testing.T, url string) *pgconn.HijackedConn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := pgconn.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	h, err := conn.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// sentinel ends a burst: whatever came before, its row is the last.
const sentinel = "select 'the end'"

// exchange sends a burst at once and returns what came back, in short.
func exchange(h *pgconn.HijackedConn, burst []pgproto3.FrontendMessage, direct bool) string {
	_ = h.Conn.SetDeadline(time.Now().Add(60 * time.Second))
	for _, m := range burst {
		h.Frontend.Send(translate(m, direct))
	}
	h.Frontend.Send(&pgproto3.Query{String: "rollback"})
	h.Frontend.Send(&pgproto3.Query{String: sentinel})
	if err := h.Frontend.Flush(); err != nil {
		return err.Error()
	}
	var out []string
	for ended := false; ; {
		m, err := h.Frontend.Receive()
		if err != nil {
			return strings.Join(append(out, err.Error()), " ")
		}
		switch m := m.(type) {
		case *pgproto3.ReadyForQuery:
			if ended {
				return strings.Join(out, " ")
			}
			out = append(out, "Z"+string(m.TxStatus))
		case *pgproto3.DataRow:
			out = append(out, "D="+string(m.Values[0]))
			ended = string(m.Values[0]) == "the end"
		case *pgproto3.CommandComplete:
			out = append(out, string(m.CommandTag))
		case *pgproto3.ErrorResponse:
			out = append(out, fmt.Sprintf("E:%s@%d", m.Code, m.Position))
		case *pgproto3.NoticeResponse, *pgproto3.ParameterStatus:
		case *pgproto3.CopyData:
			out = append(out, "copied:"+string(m.Data))
		default:
			out = append(out, strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3."))
		}
	}
}

// names is the statement that names a tenant; the model sets it.
const namesTenant = "set local moat.tenant_token = "

// translate says to the model what the proxy does with a token.
func translate(m pgproto3.FrontendMessage, direct bool) pgproto3.FrontendMessage {
	if !direct {
		return m
	}
	set := func(sql string) string {
		sql = strings.Replace(sql, namesTenant+"'A'", "set local app.current_tenant = '"+string(tenantA)+"'", 1)
		return strings.Replace(sql, namesTenant+"'B'", "set local app.current_tenant = '"+string(tenantB)+"'", 1)
	}
	switch m := m.(type) {
	case *pgproto3.Query:
		return &pgproto3.Query{String: set(m.String)}
	case *pgproto3.Parse:
		return &pgproto3.Parse{Name: m.Name, Query: set(m.Query)}
	}
	return m
}

// generator makes what a client may send. It knows no more of the answers than whether a
// transaction is open, so that a pool's bursts keep its rules.
type generator struct {
	*rand.Rand
	pool, spread bool
	opened       bool // what is made is inside a transaction
	sent         int
}

func (g *generator) pick(from ...string) string { return from[g.IntN(len(from))] }

// burst is what a client sends without reading.
func (g *generator) burst() (out []pgproto3.FrontendMessage) {
	for range 1 + g.IntN(5) {
		if g.IntN(3) == 0 {
			out = append(out, g.transaction()...)
		} else {
			out = append(out, g.alone()...)
		}
	}
	g.sent += len(out) + 2
	return out
}

// alone is a statement, or several in a segment, outside a transaction.
func (g *generator) alone() (out []pgproto3.FrontendMessage) {
	switch g.IntN(4) {
	case 0:
		return simple(g.text())
	case 1:
		return g.copies()
	}
	for range 1 + g.IntN(3) {
		out = append(out, g.statement(g.sql())...)
		if g.IntN(4) == 0 {
			out = append(out, &pgproto3.Flush{})
		}
	}
	return append(out, &pgproto3.Sync{})
}

// text is what a simple query holds: one statement or several.
func (g *generator) text() string {
	parts := []string{g.sql()}
	for g.IntN(3) == 0 {
		parts = append(parts, g.sql())
	}
	if !g.pool && !g.spread && g.IntN(6) == 0 { // what follows a pool's COMMIT has no tenant
		parts = append(parts, "commit", g.sql())
	}
	return strings.Join(parts, g.pick(";", "; ", " ;\n-- a; comment\n", " /* ; */ ; "))
}

func (g *generator) sql() string {
	switch g.IntN(12) {
	case 0:
		return g.pick("select 1/0", "selec", "select nosuch from leads", "select name from é")
	case 1:
		return g.pick("", "-- nothing", "show server_version_num", "set local work_mem = '1MB'", "select ';'")
	case 2:
		return "insert into leads (id, name) values (1, 'again')" // the key is taken
	case 3:
		return g.pick("update leads set name = name", "delete from leads where id > 100")
	}
	return g.pick(count, allNames, "select name from leads where id = 1", "select $$a;$$ || name from leads order by 1",
		"with x as (select name from leads) select count(*) from x", "values (1), (2)",
		"select coalesce(max(name), 'none') from leads")
}

// statement is a statement by the extended protocol, in one of the ways of drivers.
func (g *generator) statement(sql string) []pgproto3.FrontendMessage {
	switch g.IntN(6) {
	case 5: // the unnamed statement, if there still is one
		return g.unnamed(sql)
	case 0: // prepared before or now; another time the name is taken
		name := g.pick("p", "q", "r")
		out := []pgproto3.FrontendMessage{}
		if g.IntN(2) == 0 {
			out = append(out, &pgproto3.Close{ObjectType: 'S', Name: name}, &pgproto3.Parse{Name: name, Query: sql})
		}
		return append(out, bound(name)...)
	case 1:
		return []pgproto3.FrontendMessage{&pgproto3.Parse{Query: sql}, &pgproto3.Describe{ObjectType: 'S'}, &pgproto3.Bind{},
			&pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}}
	case 2: // by rows
		return []pgproto3.FrontendMessage{&pgproto3.Close{ObjectType: 'P', Name: "c"}, &pgproto3.Parse{Query: sql},
			&pgproto3.Bind{DestinationPortal: "c"}, &pgproto3.Execute{Portal: "c", MaxRows: 1},
			&pgproto3.Execute{Portal: "c", MaxRows: 1}}
	}
	return run(sql)
}

// unnamed uses the unnamed statement twice, or where there is none: the proxy's own stands
// there then.
func (g *generator) unnamed(sql string) []pgproto3.FrontendMessage {
	switch g.IntN(4) {
	case 0:
		return []pgproto3.FrontendMessage{&pgproto3.Describe{ObjectType: 'S'}}
	case 1:
		return append([]pgproto3.FrontendMessage{&pgproto3.Close{ObjectType: 'S'}}, bound("")...)
	case 2:
		return append(run(sql), bound("")...)
	}
	return join(run(sql), syncs, bound(""))
}

// either sends a statement by one protocol or the other.
func (g *generator) either(sql string) []pgproto3.FrontendMessage {
	if g.IntN(2) == 0 {
		return simple(sql)
	}
	if g.IntN(2) == 0 {
		return run(sql)
	}
	return append(run(sql), &pgproto3.Sync{})
}

// transaction is BEGIN, what is in it, and its end, with Sync in between or not.
func (g *generator) transaction() (out []pgproto3.FrontendMessage) {
	g.opened = true
	defer func() { g.opened = false }()
	out = g.either(g.pick("begin", "BEGIN ISOLATION LEVEL SERIALIZABLE", "/* x */ start transaction"))
	if g.pool && g.IntN(5) > 0 {
		out = append(out, g.either(namesTenant+g.pick("'A'", "'B'"))...)
	}
	saved := false
	for range g.IntN(5) {
		switch {
		case g.IntN(6) == 0:
			out, saved = append(out, g.either("savepoint s")...), true
		case saved && g.IntN(3) == 0:
			out = append(append(out, &pgproto3.Sync{}), g.either("rollback to s")...)
		case g.IntN(6) == 0:
			out = append(append(out, &pgproto3.Sync{}), g.copies()...)
		case g.IntN(2) == 0:
			out = append(append(out, &pgproto3.Sync{}), simple(g.sql())...)
		default:
			out = append(out, g.statement(g.sql())...)
		}
	}
	out = append(append(out, &pgproto3.Sync{}), g.either(g.pick("commit", "rollback", "end"))...)
	return append(out, &pgproto3.Sync{})
}

// copies is COPY in one direction or the other, right and wrong. A temporary table would
// not outlive a pool's turn, so the data of one goes nowhere.
func (g *generator) copies() (out []pgproto3.FrontendMessage) {
	if g.IntN(2) == 0 {
		return append(append(out, g.either("copy (select name from leads order by 1) to stdout")...), &pgproto3.Sync{})
	}
	sql := g.pick("copy sink from stdin", "copy leads from stdin", "copy nosuch from stdin")
	extended := g.IntN(2) == 0 || g.spread && !g.opened
	if extended {
		out = run(sql)
	} else {
		out = simple(sql)
	}
	for range g.IntN(3) {
		out = append(out, &pgproto3.CopyData{Data: []byte(g.pick("1\n", "2\n3\n", "x\n"))})
	}
	if g.IntN(4) == 0 {
		out = append(out, &pgproto3.CopyFail{Message: "no"})
	} else {
		out = append(out, &pgproto3.CopyDone{})
	}
	return append(out, &pgproto3.Sync{})
}

func describe(burst []pgproto3.FrontendMessage) string {
	var out []string
	for _, m := range burst {
		switch m := m.(type) {
		case *pgproto3.Query:
			out = append(out, fmt.Sprintf("Query %q", m.String))
		case *pgproto3.Parse:
			out = append(out, fmt.Sprintf("Parse %s %q", m.Name, m.Query))
		case *pgproto3.Bind:
			out = append(out, fmt.Sprintf("Bind %s %s", m.DestinationPortal, m.PreparedStatement))
		default:
			out = append(out, fmt.Sprintf("%T", m)[len("*pgproto3."):])
		}
	}
	return strings.Join(out, " | ")
}
