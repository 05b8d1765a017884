package proxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/moat-db/moat"
)

// noTenant is a statement that empties what a binding sets.
func noTenant(o *moat.Options) ([]moat.Statement, error) {
	names, err := settingNames(o)
	if err != nil {
		return nil, err
	}
	calls := make([]string, len(names))
	for i, name := range names {
		calls[i] = fmt.Sprintf("pg_catalog.set_config('%s', '', true)", name)
	}
	return []moat.Statement{{SQL: "select " + strings.Join(calls, ", ")}}, nil
}

// settingNames are the settings that are bound.
func settingNames(o *moat.Options) ([]string, error) {
	named := *o
	named.TenantType = moat.Text // any text is a tenant of this type
	settings, err := moat.Settings(moat.Scope{Tenant: "0"}, &named)
	return slices.Sorted(maps.Keys(settings)), err
}

// prologue is the binding as messages, encoded.
type prologue struct {
	messages   []byte
	statements int // none before the first binding
	scope      moat.Scope
	second     int64 // that a seal was made in: another in the same second would be the same
	// parse and bound are a binding of one statement again, as the unnamed one.
	sql          string
	parse, bound []byte
}

// holds says that the prologue is what would be made now.
func (p *prologue) holds(s moat.Scope, second int64) bool {
	return p.statements > 0 && p.second == second && sameScope(p.scope, s)
}

// The messages of a statement of ours, by the letter of each: under a name of our own, or as
// the unnamed statement and portal.
const (
	ownKinds     = "CCPBE"
	unnamedKinds = "BE"
)

// bind sends the binding where the transaction has none yet; s.mu is held.
func (s *session) bind(ctx context.Context) error {
	if s.status == 'E' && s.pending && !s.skipping {
		// ROLLBACK TO may have mended the transaction, before the server says its state.
		if err := s.settle(); err != nil {
			return err
		}
	}
	if s.bound || s.status == 'E' || s.skipping {
		return nil
	}
	wrap := s.spread() && !s.opened && !s.wrapped
	if wrap && s.pending { // what has ended a transaction in this segment may have failed
		if err := s.settle(); err != nil || s.skipping {
			return err
		}
	}
	if err := s.renew(ctx); err != nil {
		return err
	}
	if wrap {
		if err := s.sendBegin(); err != nil {
			return err
		}
	}
	s.bound = true
	s.transactions(1)
	if s.prologue.statements == 1 && s.unnamedIsFree() {
		return s.sendUnnamed()
	}
	return s.sendOwn(s.prologue.messages, s.prologue.statements, slot{own: true})
}

// unnamedIsFree says that the unnamed statement and portal may be ours: the client has none,
// or a portal that has nothing more to give.
func (s *session) unnamedIsFree() bool {
	statement, portal := s.statements[""], s.portals[""]
	return (statement == nil || statement.own) && (portal == nil || portal.class == begins || portal.class == names)
}

// sendUnnamed sends the binding as the unnamed statement, which SQL can neither replace nor
// end. Only messages can, and those pass here: it is parsed where the server may not have it.
func (s *session) sendUnnamed() error {
	p := &s.prologue
	ours := s.statements[""]
	if ours == nil || ours.text != p.sql || ours.life != s.life || !ours.done && ours.segment != s.segment {
		ours = &prepared{own: true, text: p.sql, life: s.life, segment: s.segment}
		ours.replaced = s.store("", ours)
		s.await(slot{kind: 'P', own: true, prepared: ours, replaced: ours.replaced})
		if err := s.toUp.writeEncoded(p.parse); err != nil {
			return err
		}
	}
	return s.sendEncoded(p.bound, unnamedKinds, slot{own: true})
}

// sendOwn sends encoded statements of ours, whose answers are awaited as x.
func (s *session) sendOwn(messages []byte, statements int, x slot) error {
	return s.sendEncoded(messages, strings.Repeat(ownKinds, statements), x)
}

func (s *session) sendEncoded(messages []byte, kinds string, x slot) error {
	for i := range len(kinds) {
		x.kind = kinds[i]
		s.await(x)
	}
	return s.toUp.writeEncoded(messages)
}

// renew makes the prologue that the transaction needs, after a look whether the caller
// still may, where it is not the one that was made last.
func (s *session) renew(ctx context.Context) error {
	if err := s.recheck(ctx); err != nil {
		return err
	}
	p, second := &s.prologue, int64(0)
	if s.proxy.binding.Sealed() {
		second = time.Now().Unix()
	}
	if p.holds(s.turn.scope, second) {
		return nil
	}
	statements, err := s.binding(ctx)
	if err != nil {
		return err
	}
	p.messages = p.messages[:0]
	for _, b := range statements {
		p.messages = s.appendOwn(p.messages, b)
	}
	p.statements, p.scope, p.second = len(statements), s.turn.scope, second
	p.sql = statements[0].SQL
	p.parse, p.bound = appendParse(p.parse[:0], "", p.sql), appendRun(p.bound[:0], "", statements[0].Args)
	return nil
}

// binding is what binds the tenant to the next transaction.
func (s *session) binding(ctx context.Context) ([]moat.Statement, error) {
	if s.turn.scope.Tenant == "" && s.pool {
		return s.proxy.unbound, nil
	}
	return s.proxy.binding.Statements(ctx, s.turn.scope, s.up.PID)
}

// recheck ends what a token or a tenant may no longer do, at the start of a transaction.
func (s *session) recheck(ctx context.Context) error {
	if s.status != 'I' {
		return nil
	}
	now := time.Now()
	if e := s.caller.Expires; !e.IsZero() && now.After(e) {
		return fatal(codeAuthorized, "the token has expired", "connect again with a new one")
	}
	if s.caller.Admit == nil || now.Sub(s.checked) < time.Second {
		return nil
	}
	s.mu.Unlock()
	scope, err := s.caller.Admit(ctx, s.caller.Scope)
	s.mu.Lock()
	if err != nil {
		r := *refusalOf(err)
		r.fatal = true
		return &r
	}
	if s.checked = now; !s.pool { // a pool's is that of the token that was named
		s.turn.scope = scope
	}
	return nil
}

// appendOwn encodes the messages that run a statement of ours before the client's, in the
// same transaction. It is parsed each time: parsed once, SQL of the client's could put
// another in its place.
func (s *session) appendOwn(to []byte, b moat.Statement) []byte {
	for _, kind := range []byte("SP") {
		var at int
		to, at = openMessage(to, 'C')
		to = closeMessage(append(append(append(to, kind), s.nonce...), 0), at)
	}
	return appendRun(appendParse(to, s.nonce, b.SQL), s.nonce, b.Args)
}

func appendParse(to []byte, name, sql string) []byte {
	to, at := openMessage(to, 'P')
	to = append(append(append(to, name...), 0), sql...)
	return closeMessage(append(to, 0, 0, 0), at)
}

// appendRun encodes Bind and Execute of a statement, with a portal of the same name.
// Parameters and results are text.
func appendRun(to []byte, name string, args []string) []byte {
	to, at := openMessage(to, 'B')
	to = append(append(append(append(to, name...), 0), name...), 0)
	to = binary.BigEndian.AppendUint16(append(to, 0, 0), uint16(len(args)))
	for _, arg := range args {
		to = append(binary.BigEndian.AppendUint32(to, uint32(len(arg))), arg...)
	}
	to = closeMessage(append(to, 0, 0), at)
	to, at = openMessage(to, 'E')
	return closeMessage(append(append(to, name...), 0, 0, 0, 0, 0), at)
}

// openMessage begins a message whose length closeMessage fills in.
func openMessage(to []byte, kind byte) ([]byte, int) {
	return append(to, kind, 0, 0, 0, 0), len(to) + 1
}

func closeMessage(to []byte, at int) []byte {
	binary.BigEndian.PutUint32(to[at:], uint32(len(to)-at))
	return to
}

func sameScope(a, b moat.Scope) bool {
	return a.Tenant == b.Tenant && a.Subject == b.Subject && a.Issuer == b.Issuer && a.Role == b.Role &&
		a.Width == b.Width && bytes.Equal(a.Claims, b.Claims)
}
