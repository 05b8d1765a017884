package proxy

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/sqltext"
	"github.com/moat-db/moat/policy"
)

// A pool's connection serves all tenants by turns. It is opened with a service's token,
// and each transaction names its tenant by a token of its own. The server's session is
// emptied whenever the tenant changes, so that nothing of one is met by the next.

// tokenSetting is what a transaction of a pool names its tenant with.
const tokenSetting = policy.TokenSetting

// namedInstead goes to the server in the place of the statement that holds a token: other
// sessions can read what a session runs.
const namedInstead = "set local " + tokenSetting + " = ''"

// turn is what the open transaction of a pool's connection is.
type turn struct {
	scope moat.Scope // of the token that it named; none, if it did not
	named bool
	// opening is the BEGIN that it consists of so far, begun that the server has done it.
	opening string
	begun   bool
}

// over ends the turn of a pool's tenant with its transaction.
func (t *turn) over(pool bool) {
	if pool {
		*t = turn{}
	}
}

// use says how a text uses the setting that names the tenant.
type use int

const (
	unused use = iota
	proper
	misused
)

// readToken returns the token of SET LOCAL moat.tenant_token = '…', where this is all that
// the text says.
func readToken(sql string) (string, use) {
	if !mentions(sql) {
		return "", unused
	}
	code := sqltext.Code(sql)
	if n := len(code); n > 0 && code[n-1].Is(";") {
		code = code[:n-1]
	}
	if len(code) == 7 && code[0].Is("set") && code[1].Is("local") && namesSetting(code[2:]) &&
		(code[5].Is("=") || code[5].Is("to")) && code[6].Plain() {
		return code[6].Value(), proper
	}
	for i, t := range code {
		sets := t.Is("set") || t.Is("local") || t.Is("session")
		if sets && namesSetting(code[i+1:]) || t.Is("set_config") && saysSetting(code) {
			return "", misused
		}
	}
	return "", unused
}

// mentions looks for the setting's name without reading the text as SQL.
func mentions(sql string) bool {
	const name, mark = "tenant_token", len("tenant")
	for from := 0; ; {
		i := strings.IndexByte(sql[from:], '_')
		if i < 0 {
			return false
		}
		at := from + i - mark
		if at >= 0 && at+len(name) <= len(sql) && strings.EqualFold(sql[at:at+len(name)], name) {
			return true
		}
		from += i + 1
	}
}

func namesSetting(code []sqltext.Token) bool {
	return len(code) > 2 && code[1].Is(".") && strings.EqualFold(code[0].Name()+"."+code[2].Name(), tokenSetting)
}

func saysSetting(code []sqltext.Token) bool {
	return slices.ContainsFunc(code, func(t sqltext.Token) bool {
		return t.Kind == sqltext.String && strings.EqualFold(t.Value(), tokenSetting)
	})
}

var (
	errMisused = &Refusal{codeActive, "the tenant of a transaction is named by SET LOCAL " + tokenSetting +
		" = '…' in a statement of its own", "send it alone, first after BEGIN", false}
	errNotFirst = &Refusal{codeActive, "SET LOCAL " + tokenSetting + " must be the first statement after BEGIN, once in " +
		"a transaction", "begin a transaction for each tenant", false}
	errPinned = &Refusal{codeActive, "this connection has its tenant by its password", "connect with the token of a " +
		"service, which proxy.services names, to name the tenant of each transaction", false}
	errMixed = &Refusal{codeActive, "a statement without a tenant follows another tenant's in the same transaction or " +
		"pipeline", "name the tenant first after BEGIN; end a pipeline with Sync before a statement without one", false}
)

// fresh says that BEGIN is all that the open transaction consists of.
func (t *turn) fresh() bool { return t.opening != "" && t.begun }

// name ties the open transaction to the tenant of a token; everything sent is answered,
// and s.mu is held.
func (s *session) name(ctx context.Context, token string) error {
	switch {
	case !s.pool:
		return errPinned
	case !s.turn.fresh() || s.turn.named:
		return errNotFirst
	}
	scope, err := s.admitToken(ctx, token)
	if err != nil {
		return err
	}
	if !sameSession(s.holder, scope) {
		if err := s.become(scope); err != nil {
			return err
		}
	}
	s.turn.scope, s.turn.named, s.bound = scope, true, false
	s.transactions = s.proxy.metrics.bound(scope.Tenant)
	return nil
}

// admitToken says whom a token speaks for. Only the transaction fails where it speaks for
// nobody.
func (s *session) admitToken(ctx context.Context, token string) (moat.Scope, error) {
	s.mu.Unlock()
	defer s.mu.Lock()
	caller, err := s.proxy.verified(ctx, token, "")
	if err == nil && caller.Pool {
		err = &Refusal{codeAuthorized, "the token of a service names no tenant", "", false}
	}
	if err == nil {
		caller.Scope, err = caller.Admit(ctx, caller.Scope)
	}
	if err != nil {
		s.proxy.config.Logger.Info("token refused", "remote", s.client.RemoteAddr().String(), "error", err)
		r := *refusalOf(err)
		r.fatal = false
		return moat.Scope{}, &r
	}
	return caller.Scope, nil
}

// sameSession says whether two scopes may meet each other's temporary tables.
func sameSession(a, b moat.Scope) bool {
	return a.Tenant == b.Tenant && a.Subject == b.Subject && a.Issuer == b.Issuer && a.Role == b.Role &&
		(a.Subject != "" || string(a.Claims) == string(b.Claims))
}

// leave makes sure that a statement without a tenant meets nothing of the tenant before;
// s.mu is held.
func (s *session) leave() error {
	if !s.pool {
		return nil
	}
	if s.turn.scope.Tenant != "" || s.holder.Tenant == "" {
		s.turn.opening = ""
		return nil
	}
	if err := s.settle(); err != nil || s.skipping || s.status == 'E' {
		return err
	}
	if !s.turn.fresh() && (s.status != 'I' || s.used) {
		return errMixed
	}
	err := s.become(moat.Scope{})
	s.turn.opening = ""
	return err
}

// become empties the server's session for the next tenant, or for none, and begins the
// transaction again that the client has begun. Everything sent is answered: the client's
// own segment may end here, for nothing but BEGIN ran in it.
func (s *session) become(next moat.Scope) error {
	steps := []string{"discard all"}
	if s.turn.fresh() {
		steps = []string{"rollback", "discard all", s.turn.opening}
	}
	if err := s.must(message{kind: 'S'}); err != nil {
		return err
	}
	for _, sql := range steps {
		messages := s.appendOwn(nil, moat.Statement{SQL: sql})
		if err := s.sendOwn(messages, 1, slot{own: true, must: true}); err != nil {
			return err
		}
		if err := s.must(message{kind: 'S'}); err != nil {
			return err
		}
	}
	s.life++
	s.holder = next
	clear(s.portals)
	opening, begun := s.turn.opening, s.turn.begun
	if err := s.settle(); err != nil {
		return err
	}
	s.turn.opening, s.turn.begun = opening, begun
	return nil
}

// must sends a message of ours that has to succeed.
func (s *session) must(m message) error {
	return s.sendSlot(m, slot{kind: m.kind, own: true, must: true})
}

// fail makes the server's transaction fail in the place where the client is refused.
func (s *session) fail(err error) error {
	var r *Refusal
	if !errors.As(err, &r) || r.fatal {
		return err
	}
	return s.sendSlot(message{'P', append(text(s.nonce, refusedText), 0, 0)}, slot{kind: 'P', own: true, refusal: r})
}

// refusedText is no SQL: it makes a transaction fail.
const refusedText = "refused by moat proxy"

// failQuery does the same with a simple query.
func (s *session) failQuery(err error) error {
	var r *Refusal
	if !errors.As(err, &r) || r.fatal {
		return err
	}
	s.unsettled = true
	return s.sendSlot(message{'Q', text(refusedText)}, slot{kind: 'Q', refusal: r})
}
