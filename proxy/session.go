package proxy

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/alive"
)

// session is one client on one server connection. What it knows of the server's state is
// kept by two sides: forward, which sees what the client asks, and answer, which sees
// what the server says. Both hold mu.
type session struct {
	proxy   *Proxy
	client  *peer
	up      *upstream
	fromUp  *reader
	toUp    writer
	caller  Caller
	pool    bool   // serves all tenants by turns
	nonce   string // names our own statement, portal and column
	checked time.Time

	mu       sync.Mutex
	changed  sync.Cond
	failed   error // ends the session
	draining bool

	answers atomic.Uint64 // messages of the server's so far
	slots   []slot        // answers that are awaited, the next first; its memory is used again
	queue   []slot        // the memory of slots
	status  byte          // of the transaction, as the server last said: I, T or E
	bound   bool          // the open transaction, or what is sent of it, is bound
	// pending says that a statement since the last Sync begins or ends a transaction;
	// unsettled that what the server says next decides whether it did.
	pending, unsettled bool
	// opened says that a transaction of the client's is open, wrapped that one of ours is
	// around its statements: see wrap.go.
	opened, wrapped bool
	withheld        []byte // the error of a binding, until the query behind it fails by it
	skipping        bool   // the server ignores all up to the next Sync
	copying         bool   // the server takes data
	hiding          bool   // the rows that come are our own
	inserted        []insertion

	statements map[string]*prepared
	portals    map[string]*prepared
	kept       int // bytes of texts of prepared statements

	turn   turn
	holder moat.Scope // what the server's session may hold something of
	life   int        // of the server's session: how often it was emptied
	used   bool       // something was executed since the last Sync
	// segment counts the Syncs and simple queries.
	segment int

	prologue prologue
	// transactions counts those of the tenant that is bound.
	transactions func(by float64)
}

// slot is an answer that is awaited: to Parse, Bind, Describe, Close, Execute, Sync or
// Query, by the letter that asks.
type slot struct {
	kind    byte
	own     bool     // asked by the proxy: the client does not see it
	inner   bool     // the transaction that is around it goes on: its state is not the client's
	must    bool     // an error ends the connection
	refusal *Refusal // what the client is told in the place of the server's error
	// prepared is what a Parse prepares under the name, in the place of replaced; nil where
	// a Close takes that away.
	name               string
	prepared, replaced *prepared
	forgets            string // the text of a statement that ends prepared ones, once it is done
	span               *span  // of what is executed; nil without a Tracer
}

// insertion is binding text that stands in the client's own: its place and length, in
// characters as the server counts them.
type insertion struct{ at, length int }

// awaited says whether the server owes an answer, and how many it has given.
func (s *session) awaited() (bool, uint64) {
	if !s.mu.TryLock() {
		return true, s.answers.Load() // perhaps by a write that the server does not take
	}
	defer s.mu.Unlock()
	return len(s.slots) > 0 && !s.copying, s.answers.Load()
}

// session serves a client that has said who it is, and returns whom its token speaks for.
func (p *Proxy) session(c *peer, parameters map[string]string) (Caller, error) {
	tenant := takeTenant(parameters)
	kept, err := p.admitted(parameters)
	if err != nil {
		return Caller{}, err
	}
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	caller, err := p.authenticate(ctx, c, tenant)
	if err != nil {
		return caller, err
	}
	began := time.Now()
	up, err := p.upstreams.take(ctx, caller.Scope, kept)
	p.metrics.waitedSince(began)
	if err != nil {
		return caller, err
	}
	s := &session{proxy: p, client: c, up: up, fromUp: newReader(up.Conn, 1<<30),
		toUp: writer{conn: up.Conn}, caller: caller, pool: caller.Pool, nonce: fmt.Sprintf("_moat_%x", newCancelKey()),
		status: 'I', checked: time.Now(), transactions: p.metrics.bound(caller.Scope.Tenant),
		statements: map[string]*prepared{}, portals: map[string]*prepared{}}
	s.changed.L = &s.mu
	key := newCancelKey()
	p.mu.Lock()
	p.clients[key] = s
	draining := p.draining
	p.mu.Unlock()
	if !s.pool {
		s.turn.scope = caller.Scope
	}
	if draining {
		s.drain()
	}
	alive.AwaitedBy(up.Conn, s.awaited)
	err = s.run(ctx, key)
	alive.AwaitedBy(up.Conn, nil)
	p.mu.Lock()
	delete(p.clients, key)
	p.mu.Unlock()
	p.upstreams.put(p.ctx, up, s.clean())
	return caller, err
}

// run greets the client and relays both ways until one side ends.
func (s *session) run(ctx context.Context, key cancelKey) error {
	if err := s.welcome(key); err != nil {
		return err
	}
	_ = s.client.SetDeadline(time.Time{})
	s.client.patient = time.Time{}
	s.client.in.most = s.proxy.config.MessageBytes
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.end(s.relayAnswers())
	}()
	s.end(s.relayQuestions(ctx))
	if s.clean() {
		// The server says no more: only the deadline wakes the one that reads it.
		_ = s.up.Conn.SetReadDeadline(time.Now())
	} else {
		_ = s.up.Conn.Close()
	}
	<-done
	s.abandon()
	_ = s.up.Conn.SetReadDeadline(time.Time{})
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// welcome tells the client that it is in, as the server told the proxy.
func (s *session) welcome(key cancelKey) error {
	messages := []message{{'R', []byte{0, 0, 0, 0}}}
	for _, name := range slices.Sorted(maps.Keys(s.up.ParameterStatuses)) {
		messages = append(messages, message{'S', text(name, s.up.ParameterStatuses[name])})
	}
	messages = append(messages, message{'K', key[:]}, message{'Z', []byte{'I'}})
	return s.client.tell(messages...)
}

// end keeps the first reason and wakes whoever waits.
func (s *session) end(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed == nil {
		s.failed = err
	}
	s.changed.Broadcast()
}

// drain ends the session as soon as no transaction is open.
func (s *session) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	if s.status == 'I' && len(s.slots) == 0 {
		s.failed = fatal(codeShutdown, "the proxy is going away", "connect again")
		_ = s.client.SetReadDeadline(time.Now())
	}
}

// clean says that the server connection is between two transactions and owes nothing.
func (s *session) clean() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status == 'I' && len(s.slots) == 0 && !s.copying && !s.skipping && !s.unsettled && !s.pending && !s.wrapped
}

func (s *session) relayQuestions(ctx context.Context) error {
	for {
		if s.client.in.idle() {
			if err := s.toUp.flush(); err != nil {
				return err
			}
		}
		m, err := s.client.in.next()
		if err != nil {
			return s.why(err)
		}
		if err := s.forward(ctx, m); err != nil {
			return err
		}
	}
}

// why is the reason that another gave for ending a read, if there is one.
func (s *session) why(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	return err
}

// send passes a message on and notes the answer that it asks for.
func (s *session) send(m message, own bool) error {
	return s.sendSlot(m, slot{kind: m.kind, own: own})
}

// await notes an answer that will come.
func (s *session) await(x slot) {
	if len(s.slots) == 0 {
		s.slots = s.queue[:0]
	}
	s.slots = append(s.slots, x)
	if cap(s.slots) > cap(s.queue) {
		s.queue = s.slots[:0]
	}
}

func (s *session) sendSlot(m message, x slot) error {
	switch m.kind {
	case 'P', 'B', 'D', 'C', 'E', 'S', 'Q':
		if !s.skipping || m.kind == 'S' {
			s.await(x)
			if m.kind == 'Q' { // ends the unnamed statement
				s.store("", nil)
			}
		} else {
			s.undo(x)
		}
	}
	return s.toUp.write(m)
}

// settle waits until everything that was asked has been answered, or the server waits for
// data; s.mu is held.
func (s *session) settle() error {
	if len(s.slots) > 0 {
		if s.slots[len(s.slots)-1].kind != 'S' && s.slots[len(s.slots)-1].kind != 'Q' {
			if err := s.toUp.write(message{kind: 'H'}); err != nil { // Flush: nothing else makes it answer
				return err
			}
		}
		if err := s.toUp.flush(); err != nil {
			return err
		}
	}
	for len(s.slots) > 0 && s.failed == nil && !s.copying {
		s.changed.Wait()
	}
	if s.failed != nil || s.copying {
		return s.failed
	}
	s.unsettled = false
	if s.pending {
		return nil
	}
	s.opened = s.status != 'I'
	if !s.opened && !s.wrapped {
		s.bound = false
	}
	return nil
}
