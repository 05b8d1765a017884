package proxy

import (
	"context"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/sqltext"
)

// forward passes a client's message on, behind the binding where it needs one.
func (s *session) forward(ctx context.Context, m message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	if s.unsettled {
		if err := s.settle(); err != nil {
			return err
		}
	}
	if s.copying {
		return s.data(m)
	}
	switch m.kind {
	case 'Q':
		return s.query(ctx, m)
	case 'P':
		return s.parse(m)
	case 'B':
		return s.bindPortal(ctx, m)
	case 'E':
		return s.execute(ctx, m)
	case 'C':
		return s.close(m)
	case 'S':
		return s.sync(m)
	case 'D':
		return s.describe(m)
	case 'H', 'd', 'c', 'f':
		return s.send(m, false)
	case 'F':
		return s.refuse(&Refusal{codeUnsupported, "function calls by the protocol's own message do not pass the proxy",
			"use SELECT function(…)", false})
	case 'X':
		return io.EOF
	}
	return fatal(codeProtocol, fmt.Sprintf("message %q is not expected here", m.kind), "")
}

// data passes on what belongs to COPY … FROM STDIN. The server ignores Sync and Flush
// meanwhile, so neither is sent.
func (s *session) data(m message) error {
	switch m.kind {
	case 'd':
		return s.send(m, false)
	case 'c', 'f':
		s.copying = false
		if len(s.slots) > 0 && s.slots[0].kind == 'Q' {
			s.unsettled = true
		}
		return s.send(m, false)
	case 'S', 'H':
		return nil
	case 'X':
		return io.EOF
	}
	// As the server's, one error names the message and another ends the connection.
	unexpected := Refusal{codeProtocol, fmt.Sprintf("unexpected message %q in the middle of COPY", m.kind), "", false}
	if err := s.client.tell(unexpected.message()); err != nil {
		return err
	}
	return fatal(codeProtocol, "the connection ends: after an unexpected message nobody knows where the next begins", "")
}

// query passes on a simple query with the binding as text in it. Messages in front would
// be answered in another order, and break PostgreSQL 18.
func (s *session) query(ctx context.Context, m message) error {
	body, _, ok := cut(m.body)
	if !ok {
		return fatal(codeProtocol, "a query without an end", "")
	}
	sql := string(body)
	if err := s.settle(); err != nil {
		return err
	}
	s.inserted = s.inserted[:0]
	if token, use := readToken(sql); use != unused {
		return s.queryToken(ctx, token, use)
	}
	if s.skipping {
		return s.send(m, false)
	}
	s.pending = false // its own answer tells the transaction's state
	if s.wrapped {
		if err := s.unwrap(); err != nil {
			return err
		}
	}
	if err := s.turnTo(sql); err != nil {
		return s.failQuery(err)
	}
	at, bound, over := places(sql, s.bound)
	if len(at) > 0 && s.spread() && !s.opened {
		if done, err := s.queryWrapped(ctx, m, sql); done || err != nil {
			return err
		}
	}
	if len(at) > 0 {
		prefixed, err := s.prefixed(ctx, sql, at)
		if err != nil {
			return err
		}
		m = message{'Q', text(prefixed)}
	}
	if over {
		s.turn.over(s.pool)
	}
	s.bound = bound
	s.unsettled = true
	return s.sendSlot(m, slot{kind: 'Q', forgets: sql, span: s.startSpan(s.parent(sql))})
}

// queryToken names the tenant, and sends another text in the place of the token's.
func (s *session) queryToken(ctx context.Context, token string, u use) error {
	err := error(errMisused)
	if u == proper && (s.status == 'E' || s.skipping) {
		err = nil // the server says that the transaction has failed
	} else if u == proper {
		err = s.name(ctx, token)
	}
	if err != nil {
		return s.failQuery(err)
	}
	s.unsettled = true
	return s.send(message{'Q', text(namedInstead)}, false)
}

// turnTo notes what a simple query does to the transaction's turn, and takes a pool's
// connection from the tenant before where the query has none.
func (s *session) turnTo(sql string) error {
	if usual(sql) {
		return s.leave()
	}
	switch classify(sql) {
	case begins:
		s.begin(sql)
		return nil
	case ends:
		s.turn.over(s.pool)
		return nil
	case forgets:
		if err := s.leave(); err != nil {
			return err
		}
		if sent, err := s.reviveNamed(sql); err != nil || !sent {
			return err
		}
		return s.send(message{kind: 'S'}, true)
	}
	return s.leave()
}

// begin notes a BEGIN, if it is the first of its transaction.
func (s *session) begin(sql string) {
	s.turn.opening, s.turn.begun = "", false
	if s.status == 'I' && !s.used {
		s.turn.opening = sql
	}
}

// prefixed is a string with the binding in it where it needs one. What a pool's string
// does after its transaction has ended has no tenant: the token was for that one.
func (s *session) prefixed(ctx context.Context, sql string, at []place) (string, error) {
	prefixes := make([]string, len(at))
	for i, p := range at {
		if p.over && s.pool {
			s.turn.scope = moat.Scope{}
		}
		if i > 0 && !(p.over && s.pool) {
			prefixes[i] = prefixes[0]
			continue
		}
		prefix, err := s.prefix(ctx)
		if err != nil {
			return "", err
		}
		prefixes[i] = prefix
	}
	s.transactions(float64(len(at)))
	return s.insert(sql, prefixes, at), nil
}

// prefix is the binding as text. Its column's name tells its rows from the client's.
func (s *session) prefix(ctx context.Context) (string, error) {
	if err := s.recheck(ctx); err != nil {
		return "", err
	}
	statements, err := s.binding(ctx)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, one := range statements {
		sql, err := inlined(one)
		if err != nil {
			return "", err
		}
		b.WriteString("select 1 as " + s.nonce + " from (" + sql + ") as bound; ")
	}
	return b.String(), nil
}

// inlined writes a statement's arguments into its text, all at once: what one of them says
// is never taken for the place of another. A zero byte would end the message.
func inlined(b moat.Statement) (string, error) {
	var pairs []string
	for i := len(b.Args); i > 0; i-- { // $12 before $1
		if strings.ContainsRune(b.Args[i-1], 0) {
			return "", fatal(codeAuthorized, "the token holds a zero byte, which PostgreSQL takes in no text", "")
		}
		pairs = append(pairs, fmt.Sprintf("$%d", i), sqltext.Dollar(b.Args[i-1]))
	}
	return strings.NewReplacer(pairs...).Replace(b.SQL), nil
}

// insert puts the binding where the statements need it, and remembers where that was.
func (s *session) insert(sql string, prefixes []string, at []place) string {
	var b strings.Builder
	done, characters := 0, 0
	for i, p := range at {
		part, prefix := sql[done:p.at], prefixes[i]
		characters += utf8.RuneCountInString(part)
		s.inserted = append(s.inserted, insertion{characters, utf8.RuneCountInString(prefix)})
		characters += utf8.RuneCountInString(prefix)
		b.WriteString(part + prefix)
		done = p.at
	}
	return b.String() + sql[done:]
}

func (s *session) parse(m message) error {
	named, rest, ok := cut(m.body)
	body, _, ok2 := cut(rest)
	if !ok || !ok2 {
		return fatal(codeProtocol, "a Parse message is cut short", "")
	}
	name, sql := string(named), string(body)
	p := &prepared{name: name, class: classify(sql), life: s.life, segment: s.segment, parent: s.parent(sql)}
	switch p.class {
	case begins, forgets:
		p.text = sql
	case ends:
		p.chains = statement(sqltext.Code(sql)).chains()
	case free: // SET among them
		var use use
		if p.token, use = readToken(sql); use == proper {
			p.class = names
			m.body = append(text(name, namedInstead), 0, 0)
		}
	}
	if p.class != names && misuses(sql) {
		return s.fail(errMisused)
	}
	replaced, err := s.keep(name, p, m)
	if err != nil {
		return s.fail(err)
	}
	return s.sendSlot(m, slot{kind: 'P', name: name, prepared: p, replaced: replaced})
}

// misuses says that a text would carry a token to the server.
func misuses(sql string) bool {
	_, use := readToken(sql)
	return use != unused
}

func (s *session) bindPortal(ctx context.Context, m message) error {
	to, rest, ok := cut(m.body)
	name, _, ok2 := cut(rest)
	if !ok || !ok2 {
		return fatal(codeProtocol, "a Bind message is cut short", "")
	}
	p, err := s.statement(name)
	if err != nil {
		return err
	}
	if p == nil {
		p = unknown
		if err := s.hideUnnamed(name); err != nil {
			return err
		}
	}
	switch p.class {
	case begins, ends, names:
	default:
		if err := s.leave(); err != nil {
			if err := s.fail(err); err != nil {
				return err
			}
		}
	}
	if p.class == needs || p.class == copies {
		if err := s.bind(ctx); err != nil {
			return err
		}
	}
	if p.class == forgets {
		_, err = s.reviveNamed(p.text)
	}
	if err == nil {
		err = s.revive(p)
	}
	if err != nil {
		return err
	}
	if at := s.portals[string(to)]; at != p { // a name costs memory where it is new
		s.portals[string(to)] = p
	}
	return s.send(m, false)
}

// hideUnnamed answers a client that has no unnamed statement as the server would, if it had
// none of ours.
func (s *session) hideUnnamed(name []byte) error {
	if len(name) > 0 {
		return nil
	}
	return s.fail(errUnnamed)
}

var errUnnamed = &Refusal{codeNoStatement, "unnamed prepared statement does not exist", "", false}

// unknown is a statement that SQL has prepared, or nobody.
var unknown = &prepared{class: needs}

func (s *session) describe(m message) error {
	if len(m.body) > 0 && m.body[0] == 'S' {
		if name, _, ok := cut(m.body[1:]); ok {
			p, err := s.statement(name)
			if err == nil && p == nil {
				err = s.hideUnnamed(name)
			}
			if err == nil {
				err = s.revive(p)
			}
			if err != nil {
				return err
			}
		}
	}
	return s.send(m, false)
}

func (s *session) execute(ctx context.Context, m message) error {
	name, _, ok := cut(m.body)
	if !ok {
		return fatal(codeProtocol, "an Execute message is cut short", "")
	}
	p := s.portals[string(name)]
	if p == nil {
		return s.executed(m, "")
	}
	if p.class == begins || p.class == ends {
		if err := s.giveWrap(); err != nil {
			return err
		}
	}
	switch p.class {
	case begins:
		s.begin(p.text)
		s.pending, s.opened = true, true
	case ends:
		s.turn.over(s.pool)
		s.pending, s.bound, s.opened = true, false, p.chains
	case undoes:
		s.pending, s.bound = true, false
	case forgets:
		s.used = true
		return s.sendSlot(m, slot{kind: 'E', forgets: p.text, span: s.startSpan(p.parent)})
	case copies:
		return s.executeCopy(m, p.parent)
	case names:
		return s.executeToken(ctx, p, string(name), m)
	}
	return s.executed(m, p.parent)
}

func (s *session) executed(m message, parent string) error {
	s.used = true
	return s.sendSlot(m, slot{kind: 'E', span: s.startSpan(parent)})
}

// executeToken names the tenant where the statement that holds the token is executed: the
// server has it with another text.
func (s *session) executeToken(ctx context.Context, p *prepared, name string, m message) error {
	if err := s.settle(); err != nil {
		return err
	}
	if s.status != 'E' && !s.skipping {
		life := s.life
		if err := s.name(ctx, p.token); err != nil {
			if err := s.fail(err); err != nil {
				return err
			}
		} else if err := s.restore(p, name, life); err != nil {
			return err
		}
	}
	return s.executed(m, p.parent)
}

// restore prepares and binds the statement of a token again, where naming the tenant has
// ended both.
func (s *session) restore(p *prepared, name string, life int) error {
	if life == s.life {
		return nil
	}
	p.life = s.life
	parse := slot{kind: 'P', own: true, prepared: p}
	if err := s.sendSlot(message{'P', append(text(p.name, namedInstead), 0, 0)}, parse); err != nil {
		return err
	}
	s.portals[name] = p
	return s.send(message{'B', append(text(name, p.name), 0, 0, 0, 0, 0, 0)}, true)
}

// executeCopy waits for the server to take data, or not: what follows means something
// else in either case.
func (s *session) executeCopy(m message, parent string) error {
	if err := s.executed(m, parent); err != nil {
		return err
	}
	if err := s.toUp.write(message{kind: 'H'}); err != nil {
		return err
	}
	if err := s.toUp.flush(); err != nil {
		return err
	}
	for len(s.slots) > 0 && !s.copying && s.failed == nil {
		s.changed.Wait()
	}
	return s.failed
}

func (s *session) close(m message) error {
	x := slot{kind: 'C'}
	if len(m.body) > 0 && m.body[0] == 'S' {
		if name, _, ok := cut(m.body[1:]); ok {
			x.name, x.replaced = string(name), s.store(string(name), nil)
		}
	}
	return s.sendSlot(m, x)
}

func (s *session) sync(m message) error {
	s.unsettled = s.pending || s.skipping
	if s.wrapped {
		if err := s.sendCommit(); err != nil {
			return err
		}
	}
	if err := s.send(m, false); err != nil {
		return err
	}
	s.pending, s.skipping, s.used = false, false, false
	s.segment++
	if s.status == 'I' && !s.unsettled {
		s.bound = false // the implicit transaction ends here
	}
	return nil
}

// refuse answers the client itself, in the server's place.
func (s *session) refuse(r *Refusal) error {
	if err := s.settle(); err != nil {
		return err
	}
	return s.client.tell(r.message(), message{'Z', []byte{s.status}})
}
