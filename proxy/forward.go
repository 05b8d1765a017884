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
		return s.execute(m)
	case 'C':
		return s.close(m)
	case 'S':
		return s.sync(m)
	case 'D', 'H', 'd', 'c', 'f':
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
	return fatal(codeProtocol, fmt.Sprintf("message %q in the middle of COPY", m.kind), "")
}

// query passes on a simple query with the binding as text in it. Messages in front would
// be answered in another order, and break PostgreSQL 18.
func (s *session) query(ctx context.Context, m message) error {
	sql, _, ok := cut(m.body)
	if !ok {
		return fatal(codeProtocol, "a query without an end", "")
	}
	if err := s.settle(); err != nil {
		return err
	}
	if s.skipping {
		return s.send(m, false)
	}
	s.inserted = s.inserted[:0]
	at, bound := places(sql, s.bound)
	if len(at) > 0 {
		prefix, err := s.prefix(ctx)
		if err != nil {
			return err
		}
		sql = s.insert(sql, prefix, at)
	}
	s.bound = bound
	s.unsettled = true
	return s.send(message{'Q', text(sql)}, false)
}

// prefix is the binding as text. Its column's name tells its rows from the client's.
func (s *session) prefix(ctx context.Context) (string, error) {
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
func (s *session) insert(sql, prefix string, at []int) string {
	var b strings.Builder
	done, characters := 0, 0
	for _, place := range at {
		part := sql[done:place]
		characters += utf8.RuneCountInString(part)
		s.inserted = append(s.inserted, insertion{characters, utf8.RuneCountInString(prefix)})
		characters += utf8.RuneCountInString(prefix)
		b.WriteString(part + prefix)
		done = place
	}
	return b.String() + sql[done:]
}

func (s *session) parse(m message) error {
	name, rest, ok := cut(m.body)
	sql, _, ok2 := cut(rest)
	if !ok || !ok2 {
		return fatal(codeProtocol, "a Parse message is cut short", "")
	}
	s.statements[name] = classify(sql)
	return s.send(m, false)
}

func (s *session) bindPortal(ctx context.Context, m message) error {
	portal, rest, ok := cut(m.body)
	name, _, ok2 := cut(rest)
	if !ok || !ok2 {
		return fatal(codeProtocol, "a Bind message is cut short", "")
	}
	class := s.statements[name] // needs, where it is not known
	if class == needs || class == copies {
		if err := s.bind(ctx); err != nil {
			return err
		}
	}
	s.portals[portal] = class
	return s.send(m, false)
}

func (s *session) execute(m message) error {
	portal, _, ok := cut(m.body)
	if !ok {
		return fatal(codeProtocol, "an Execute message is cut short", "")
	}
	switch s.portals[portal] {
	case begins:
		s.pending = true
	case ends:
		s.pending, s.bound = true, false
	case forgets:
		clear(s.statements)
	case copies:
		return s.executeCopy(m)
	}
	return s.send(m, false)
}

// executeCopy waits for the server to take data, or not: what follows means something
// else in either case.
func (s *session) executeCopy(m message) error {
	if err := s.send(m, false); err != nil {
		return err
	}
	if err := write(s.toUp, message{kind: 'H'}); err != nil {
		return err
	}
	if err := s.toUp.Flush(); err != nil {
		return err
	}
	for len(s.slots) > 0 && !s.copying && s.failed == nil {
		s.changed.Wait()
	}
	return s.failed
}

func (s *session) close(m message) error {
	if len(m.body) > 0 {
		if name, _, ok := cut(m.body[1:]); ok && m.body[0] == 'S' {
			delete(s.statements, name)
		}
	}
	return s.send(m, false)
}

func (s *session) sync(m message) error {
	if err := s.send(m, false); err != nil {
		return err
	}
	s.unsettled = s.pending || s.skipping
	s.pending, s.skipping = false, false
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
