package proxy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/moat-db/moat/internal/postgres/pgtest"
)

// raw sends messages that no driver above sends in this order, and reads until so many
// ReadyForQuery have come.
func raw(t *testing.T, f *fixture, token string, ready int, messages ...pgproto3.FrontendMessage) string {
	t.Helper()
	h := open(t, f.url(token))
	defer h.Conn.Close()
	return said(t, h, ready, messages...)
}

// said is what is answered on a connection that stays open.
func said(t *testing.T, h *pgconn.HijackedConn, ready int, messages ...pgproto3.FrontendMessage) string {
	t.Helper()
	_ = h.Conn.SetDeadline(time.Now().Add(20 * time.Second))
	for _, m := range messages {
		h.Frontend.Send(m)
	}
	if err := h.Frontend.Flush(); err != nil {
		t.Fatal(err)
	}
	var out []string
	for ready > 0 {
		m, err := h.Frontend.Receive()
		if err != nil {
			return strings.Join(append(out, err.Error()), " ")
		}
		switch m := m.(type) {
		case *pgproto3.ReadyForQuery:
			ready--
			out = append(out, "Z"+string(m.TxStatus))
		case *pgproto3.DataRow:
			out = append(out, "D="+string(m.Values[0]))
		case *pgproto3.CommandComplete:
			out = append(out, string(m.CommandTag))
		case *pgproto3.ErrorResponse:
			out = append(out, "E:"+m.Code)
		case *pgproto3.PortalSuspended, *pgproto3.CopyInResponse:
			out = append(out, fmt.Sprintf("%T", m)[len("*pgproto3."):])
		}
	}
	return strings.Join(out, " ")
}

// run is a statement by the extended protocol, without Sync.
func run(sql string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{&pgproto3.Parse{Query: sql}, &pgproto3.Bind{}, &pgproto3.Execute{}}
}

func parse(name, sql string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{&pgproto3.Parse{Name: name, Query: sql}}
}

func join(parts ...[]pgproto3.FrontendMessage) (out []pgproto3.FrontendMessage) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

var (
	syncs = []pgproto3.FrontendMessage{&pgproto3.Sync{}}
	count = "select count(*) from leads"
)

func simple(sql string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{&pgproto3.Query{String: sql}}
}

func TestProtocolCorners(t *testing.T) {
	t.Parallel()
	pgtest.EachMajor(t, func(t *testing.T, c *pgtest.Cluster) {
		for mode, f := range map[string]*fixture{"plain": newFixture(t, c.New(t), nil), "sealed": newSealed(t, c.New(t)),
			"Citus": newSpread(t, c.New(t), nil)} {
			for _, x := range []struct {
				name, want string
				ready      int
				messages   []pgproto3.FrontendMessage
			}{
				{"three Syncs in flight", "D=2 SELECT 1 ZI D=2 SELECT 1 ZI D=2 SELECT 1 ZI", 3,
					join(run(count), syncs, run(count), syncs, run(count), syncs)},
				{"empty Syncs", "ZI ZI D=2 SELECT 1 ZI", 3, join(syncs, syncs, run(count), syncs)},
				{"BEGIN, error, ROLLBACK, each with its Sync", "BEGIN ZT E:22012 ZE E:25P02 ZE ROLLBACK ZI D=2 SELECT 1 ZI", 5,
					join(run("begin"), syncs, run("select 1/0"), syncs, run(count), syncs, run("rollback"), syncs, run(count), syncs)},
				{"a transaction in one segment", "BEGIN D=2 SELECT 1 COMMIT D=2 SELECT 1 ZI", 1,
					join(run("begin"), run(count), run("commit"), run(count), syncs)},
				{"an error in a segment", "D=2 SELECT 1 E:22012 ZI D=2 SELECT 1 ZI", 2,
					join(run(count), run("select 1/0"), run(count), syncs, run(count), syncs)},
				{"extended, then simple without Sync", "D=2 SELECT 1 D=2 SELECT 1 ZI ZI", 2,
					join(run(count), simple(count), syncs)},
				{"simple queries in flight", "E:22012 ZI D=2 SELECT 1 ZI", 2, join(simple("select 1/0"), simple(count))},
				{"a portal with a row limit", "D=1 PortalSuspended D=2 PortalSuspended SELECT 0 ZI", 1,
					[]pgproto3.FrontendMessage{&pgproto3.Parse{Query: "select id from leads order by id"},
						&pgproto3.Bind{DestinationPortal: "p"}, &pgproto3.Execute{Portal: "p", MaxRows: 1},
						&pgproto3.Execute{Portal: "p", MaxRows: 1}, &pgproto3.Execute{Portal: "p", MaxRows: 1}, &pgproto3.Sync{}}},
				{"the unnamed statement stays the client's", "ZI D=2 SELECT 1 ZI D=2 SELECT 1 ZI", 3,
					[]pgproto3.FrontendMessage{&pgproto3.Parse{Query: count}, &pgproto3.Sync{}, &pgproto3.Bind{},
						&pgproto3.Execute{}, &pgproto3.Sync{}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{}}},
				{"no unnamed statement is the client's", "E:26000 ZI E:26000 ZI", 2,
					join(bound(""), syncs, []pgproto3.FrontendMessage{&pgproto3.Describe{ObjectType: 'S'}}, syncs)},
				{"the binding is no statement of the client's", "ZI D=2 SELECT 1 ZI E:26000 ZI D=2 SELECT 1 ZI", 4,
					join([]pgproto3.FrontendMessage{&pgproto3.Parse{Name: "n", Query: count}}, syncs, bound("n"), syncs,
						bound(""), syncs, bound("n"), syncs)},
				{"COPY by the extended protocol, with an early Sync", "CREATE TABLE ZI CopyInResponse COPY 2 ZI D=2 SELECT 1 ZI", 3,
					join(simple("create temp table z (a int)"), run("copy z from stdin"), syncs,
						[]pgproto3.FrontendMessage{&pgproto3.CopyData{Data: []byte("1\n2\n")}, &pgproto3.CopyDone{}}, syncs,
						run("select count(*) from z"), syncs)},
				{"COPY whose data is wrong", "CREATE TABLE ZI CopyInResponse E:22P02 ZI D=2 SELECT 1 ZI", 3,
					join(simple("create temp table z (a int)"), run("copy z from stdin"), syncs,
						[]pgproto3.FrontendMessage{&pgproto3.CopyData{Data: []byte("x\n")}, &pgproto3.CopyDone{}}, syncs,
						run(count), syncs)},
				{"a query in the middle of COPY", "CREATE TABLE ZI CopyInResponse E:08P01 E:08P01 unexpected EOF", 3,
					join(simple("create temp table z (a int)"), run("copy z from stdin"), syncs, simple(count))},
				{"a function call", "E:0A000 ZI D=2 SELECT 1 ZI", 2,
					join([]pgproto3.FrontendMessage{&pgproto3.FunctionCall{Function: 2026}}, simple(count))},
				{"ROLLBACK TO and a read in one segment", "BEGIN ZT SAVEPOINT ZT E:22012 ZE ROLLBACK D=2 SELECT 1 COMMIT ZI", 4,
					join(simple("begin"), simple("savepoint s"), simple("select 1/0 from leads"), run("rollback to s"), run(count),
						run("commit"), syncs)},
				{"ROLLBACK and a read in one segment", "BEGIN ZT E:22012 ZE ROLLBACK D=2 SELECT 1 ZI", 3,
					join(simple("begin"), simple("select 1/0 from leads"), run("rollback"), run(count), syncs)},
				{"a statement that does not parse", "E:42601 ZI D=2 SELECT 1 ZI", 2,
					join(run("selec"), syncs, run(count), syncs)},
			} {
				if got := raw(t, f, "A", x.ready, x.messages...); got != x.want {
					t.Errorf("%s, %s:\n got  %s\n want %s", mode, x.name, got, x.want)
				}
			}
		}
	})
}

// The binding stands as the unnamed statement as long as nothing ends it, and what the proxy
// takes to stand there is what the server has: also where the server ignored a Parse.
func TestUnnamedStatement(t *testing.T) {
	t.Parallel()
	f := newSealed(t, pgtest.New(t))
	named, bad := join(bound("n"), syncs), parse("bad", "selec")
	ignored := join(bad, run("select 1"), syncs)
	portal := []pgproto3.FrontendMessage{&pgproto3.Bind{DestinationPortal: "c", PreparedStatement: "n"},
		&pgproto3.Execute{Portal: "c"}, &pgproto3.Sync{}}
	closes := []pgproto3.FrontendMessage{&pgproto3.Close{ObjectType: 'S'}}
	const read, wrong, one = "D=2 SELECT 1 ZI", "E:42601 ZI", "select 1"
	// In a transaction, what needs no tenant leaves a portal open before what does.
	half := join(parse("b", "begin"), bound("b"), []pgproto3.FrontendMessage{&pgproto3.Parse{Name: "s", Query: "show all"},
		&pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Execute{MaxRows: 1}})
	more := join(portal[:2], []pgproto3.FrontendMessage{&pgproto3.Execute{MaxRows: 1}, &pgproto3.Sync{}}, simple("commit"))
	for name, x := range map[string][]struct {
		messages []pgproto3.FrontendMessage
		want     string
	}{
		"once more":                   {{join(named, named), read + " " + read}},
		"ended by a Parse that fails": {{join(run("selec"), syncs), wrong}, {named, read}},
		"ended by Close":              {{join(closes, syncs), "ZI"}, {named, read}},
		"ended by a simple query":     {{simple(count), read}, {named, read}},
		"not parsed behind an error":  {{simple(count), read}, {join(bad, portal, portal), wrong + " " + read}},
		"a Parse is ignored, twice": {{join(ignored, ignored), wrong + " " + wrong},
			{join(bound(""), syncs), "E:26000 ZI"}},
		"the client's own stays": {{join(run(one), syncs, named, bound(""), syncs),
			"D=1 SELECT 1 ZI " + read + " D=1 SELECT 1 ZI"}},
		"the client's portal goes on": {{join(half, more), "BEGIN D=allow_in_place_tablespaces PortalSuspended " +
			"D=2 SELECT 1 D=allow_system_table_mods PortalSuspended ZT COMMIT ZI"}},
		"DEALLOCATE ALL ends no unnamed": {{join(run(one), parse("d", "deallocate all"), bound("d"), syncs),
			"D=1 SELECT 1 DEALLOCATE ALL ZI"}, {join(bound(""), syncs), "D=1 SELECT 1 ZI"}},
	} {
		h := open(t, f.url("A"))
		defer h.Conn.Close()
		if got := said(t, h, 2, join(parse("n", count), syncs, named)...); got != "ZI "+read {
			t.Fatalf("%s: before: %s", name, got)
		}
		for _, step := range x {
			if got := said(t, h, strings.Count(step.want, "Z"), step.messages...); got != step.want {
				t.Errorf("%s:\n got  %s\n want %s", name, got, step.want)
			}
		}
	}
}

// The server says at once what is wrong and ignores the rest of the segment, so nothing
// of the rest is answered.
func TestErrorBeforeSync(t *testing.T) {
	t.Parallel()
	f := newSealed(t, pgtest.New(t))
	conn, err := pgconn.Connect(t.Context(), f.url("A"))
	if err != nil {
		t.Fatal(err)
	}
	h, err := conn.Hijack()
	if err != nil {
		t.Fatal(err)
	}
	defer h.Conn.Close()
	_ = h.Conn.SetDeadline(time.Now().Add(20 * time.Second))
	send := func(messages ...pgproto3.FrontendMessage) {
		for _, m := range messages {
			h.Frontend.Send(m)
		}
		if err := h.Frontend.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	until := func(kind pgproto3.BackendMessage) (rows int) {
		for {
			m, err := h.Frontend.Receive()
			if err != nil {
				t.Fatalf("waiting for %T: %v", kind, err)
			}
			if _, ok := m.(*pgproto3.DataRow); ok {
				rows++
			}
			if fmt.Sprintf("%T", m) == fmt.Sprintf("%T", kind) {
				return rows
			}
		}
	}
	send(append(run("select 1/0"), &pgproto3.Flush{})...)
	until(&pgproto3.ErrorResponse{})
	send(run(count)...) // ignored
	send(syncs...)
	if rows := until(&pgproto3.ReadyForQuery{}); rows != 0 {
		t.Errorf("%d rows of a statement that the server ignores", rows)
	}
	send(join(run(count), syncs)...)
	if rows := until(&pgproto3.ReadyForQuery{}); rows != 1 {
		t.Errorf("%d rows afterwards", rows)
	}
}
