package proxy

import (
	"context"
	"slices"

	"github.com/moat-db/moat"
)

// The other servers of Citus learn the tenant only in a transaction that a BEGIN began. Around
// statements that the client sends in none, the proxy puts one of its own: BEGIN and the binding
// in front, and COMMIT behind a Sync of its own. The server ignores what follows an error up to
// that Sync only, so COMMIT ends the transaction either way, and the client's Sync is answered as
// it would be without: all in one round trip.

// spread says that the transaction is to be bound on the other servers as well. What a pool does
// without a tenant has none on any.
func (s *session) spread() bool {
	return s.proxy.config.Options.Citus == moat.CitusOn && (!s.pool || s.turn.scope.Tenant != "")
}

// sendBegin opens the transaction around what the client sends up to its Sync.
func (s *session) sendBegin() error {
	s.wrapped = true
	return s.sendOwn(s.appendOwn(nil, moat.Statement{SQL: "begin"}), 1, slot{own: true})
}

// sendCommit ends the transaction; the Sync behind it is the client's.
func (s *session) sendCommit() error {
	if err := s.sendSlot(message{kind: 'S'}, slot{kind: 'S', own: true, inner: true}); err != nil {
		return err
	}
	s.wrapped, s.bound, s.skipping = false, false, false
	return s.sendOwn(s.appendOwn(nil, moat.Statement{SQL: "commit"}), 1, slot{own: true})
}

// unwrap ends the transaction before a simple query, which has one of its own.
func (s *session) unwrap() error {
	if err := s.sendCommit(); err != nil {
		return err
	}
	return s.send(message{kind: 'S'}, true)
}

// giveWrap leaves the transaction to the client's BEGIN or COMMIT, as PostgreSQL does with the
// one that a pipeline has without. After an error neither comes to anything, and it stays ours.
func (s *session) giveWrap() error {
	if !s.wrapped {
		return nil
	}
	if err := s.settle(); err != nil {
		return err
	}
	s.wrapped = s.skipping
	return nil
}

// queryWrapped sends a simple query in a transaction of ours. Behind BEGIN, a Sync may stand
// between the binding and the query, so that the text stays as it is. done is false where the
// string begins the transactions of all that needs a tenant itself.
func (s *session) queryWrapped(ctx context.Context, m message, sql string) (done bool, err error) {
	loose, mixed := outside(sql)
	switch {
	case !loose:
		return false, nil
	case mixed:
		return true, s.failQuery(errLoose)
	}
	if err := s.bind(ctx); err != nil {
		return true, err
	}
	if err := s.sendSlot(message{kind: 'S'}, slot{kind: 'S', own: true, inner: true}); err != nil {
		return true, err
	}
	if err := s.sendSlot(m, slot{kind: 'Q', inner: true, forgets: sql, span: s.startSpan(s.parent(sql))}); err != nil {
		return true, err
	}
	if err := s.sendCommit(); err != nil {
		return true, err
	}
	s.unsettled = true
	return true, s.send(message{kind: 'S'}, false)
}

var errLoose = &Refusal{codeUnsupported, "tables are distributed by Citus: outside a transaction, a string that " +
	"begins or ends one, or COPY FROM STDIN as a simple query, cannot be bound to a tenant",
	"send BEGIN, each statement and COMMIT one at a time", false}

// outside says whether a statement of a string needs a tenant outside a transaction that the
// string begins, and whether there is another that none of ours may be around.
func outside(sql string) (loose, mixed bool) {
	opened := false
	for _, code := range split(sql) {
		switch code.class() {
		case begins:
			opened, mixed = true, true
		case ends:
			opened, mixed = code.chains(), true
		case undoes:
			mixed = true
		case copies:
			mixed, loose = true, loose || !opened
		case needs:
			loose = loose || !opened
		}
	}
	return loose, mixed
}

// withhold keeps the error of a binding for the simple query behind it, which fails by it with
// an error that says less.
func (s *session) withhold(body []byte) bool {
	if slices.ContainsFunc(s.slots, func(x slot) bool { return x.kind == 'Q' && x.inner }) {
		s.withheld = slices.Clone(body)
	}
	return s.withheld != nil
}
