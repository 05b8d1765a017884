package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

func (s *session) relayAnswers() error {
	for {
		m, err := s.fromUp.next()
		if err != nil {
			return s.serverGone(err)
		}
		shown, err := s.answer(&m)
		if err != nil {
			return err
		}
		if shown {
			if err := s.client.write(m); err != nil {
				return s.stopReading(err)
			}
		}
		if s.fromUp.idle() {
			if err := s.client.flush(); err != nil {
				return s.stopReading(err)
			}
		}
	}
}

// patience is how long a client may take nothing of what it asked for.
const patience = 2 * time.Minute

// serverGone ends the client's read as well, if it is the server that has ended.
func (s *session) serverGone(err error) error {
	s.mu.Lock()
	ended := s.failed != nil
	s.mu.Unlock()
	if ended {
		return err
	}
	return s.stopReading(fatal(codeServer, "the server has ended the connection", "connect again"))
}

func (s *session) stopReading(err error) error {
	s.end(err)
	_ = s.client.SetReadDeadline(time.Now())
	return err
}

// answer takes a message of the server's for the question that it answers, and says
// whether the client sees it.
func (s *session) answer(m *message) (shown bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.changed.Broadcast()
	s.answers.Add(1)
	switch m.kind {
	case 'N':
		return !s.next().own, nil
	case 'A', 'S', 't', 'H', 'W', 'd', 'c':
		return true, nil
	case '1':
		if p := s.next().prepared; p != nil {
			p.done, p.replaced = true, nil
		}
		return s.take('P')
	case '2':
		return s.take('B')
	case '3':
		return s.take('C')
	case 'n':
		return s.take('D')
	case 'T':
		return s.described(m)
	case 'D':
		return !s.hiding && !s.next().own, nil
	case 'C', 'I', 's':
		return s.completed(m)
	case 'G':
		s.copying = true
		return true, nil
	case 'E':
		return s.refused(m)
	case 'Z':
		hidden := s.next().own || s.next().inner
		return !hidden, s.ready(m)
	}
	return false, fmt.Errorf("the server sent a message %q", m.kind)
}

// next is the answer that is awaited next; nothing, if none is.
func (s *session) next() slot {
	if len(s.slots) == 0 {
		return slot{}
	}
	return s.slots[0]
}

// errOutOfStep ends both sides: an answer to a question that nobody asked could reach the
// wrong one.
var errOutOfStep = errors.New("the server's answers are out of step")

func (s *session) take(kind byte) (shown bool, err error) {
	head := s.next()
	if head.kind != kind {
		return false, errOutOfStep
	}
	s.slots = s.slots[1:]
	return !head.own, nil
}

// described takes the description of rows: of a Describe, or of a simple query, where the
// column's name tells ours.
func (s *session) described(m *message) (bool, error) {
	if s.next().kind != 'Q' {
		return s.take('D')
	}
	s.hiding = len(m.body) > 2 && bytes.HasPrefix(m.body[2:], text(s.nonce))
	return !s.hiding, nil
}

func (s *session) completed(m *message) (bool, error) {
	if s.next().kind != 'Q' {
		head := s.next()
		head.traced(m)
		if !head.own {
			s.tagged(m)
		}
		return s.take('E')
	}
	if s.hiding {
		s.hiding = false
		return false, nil
	}
	s.next().traced(m)
	s.tagged(m)
	return true, nil
}

// tagged notes that a transaction has ended inside a pipeline.
func (s *session) tagged(m *message) {
	if m.kind != 'C' {
		return
	}
	switch string(bytes.TrimSuffix(m.body, []byte{0})) {
	case "COMMIT", "ROLLBACK":
		if s.next().kind != 'E' {
			return
		}
		s.bound = false
		if s.status == 'E' { // mended, or over
			s.status = 'T'
		}
	case "BEGIN", "START TRANSACTION":
		s.turn.begun = true
	case "DEALLOCATE", "DEALLOCATE ALL", "DISCARD ALL":
		s.forget(s.next().forgets)
	}
}

// refused takes an error. In a pipeline the server then ignores all up to the next Sync.
func (s *session) refused(m *message) (shown bool, err error) {
	head := s.next()
	own := head.own || s.hiding
	s.faulted(m)
	s.copying, s.hiding = false, false
	if p := head.prepared; p != nil && head.kind == 'P' && head.name == "" && p.own == head.own {
		s.slots[0].replaced, p.replaced = nil, nil // the server has ended what stood there
	}
	switch {
	case head.must:
		return true, errNotEmptied
	case head.refusal != nil:
		*m = head.refusal.message()
	case head.inner && s.withheld != nil:
		m.body, s.withheld = s.withheld, nil
	default:
		m.body = withHint(s.moved(m.body, own))
	}
	withheld := own && s.withhold(m.body)
	if head.kind != 'Q' {
		s.skip()
	}
	return !withheld, nil
}

// errNotEmptied ends a pool's connection between two tenants.
var errNotEmptied = fatal(codeServer, "the server connection could not be emptied for the next tenant", "connect again")

// skip drops what the server ignores after an error in a pipeline.
func (s *session) skip() {
	n := slices.IndexFunc(s.slots, func(x slot) bool { return x.kind == 'S' })
	if n < 0 {
		n = len(s.slots)
		s.skipping = true
	}
	for _, x := range slices.Backward(s.slots[:n]) {
		s.undo(x)
	}
	s.slots = s.slots[n:]
}

// moved takes the binding's length off the position of an error, and the position away
// where the binding itself is at fault.
func (s *session) moved(body []byte, own bool) []byte {
	fields := bytes.Split(bytes.TrimRight(body, "\x00"), []byte{0})
	kept := fields[:0]
	for _, field := range fields {
		if field[0] == 'P' {
			if own {
				continue
			}
			field = s.position(field)
		}
		kept = append(kept, field)
	}
	return append(bytes.Join(kept, []byte{0}), 0, 0)
}

func (s *session) position(field []byte) []byte {
	at, err := strconv.Atoi(string(field[1:]))
	if err != nil || s.next().kind != 'Q' {
		return field
	}
	off := 0
	for _, i := range s.inserted {
		if at > i.at+i.length {
			off += i.length
		}
	}
	return []byte("P" + strconv.Itoa(at-off))
}

// ready takes the end of an answer, with the state of the transaction.
func (s *session) ready(m *message) error {
	if kind := s.next().kind; kind != 'S' && kind != 'Q' || len(m.body) != 1 {
		return errOutOfStep
	}
	inner := s.slots[0].inner
	s.next().span.end()
	s.slots = s.slots[1:]
	s.copying, s.hiding = false, false
	if inner {
		return nil
	}
	s.status = m.body[0]
	if s.status == 'I' && len(s.slots) == 0 {
		clear(s.portals)
		s.turn.over(s.pool)
	}
	if s.draining && s.status == 'I' && len(s.slots) == 0 {
		s.failed = fatal(codeShutdown, "the proxy is going away", "connect again")
		_ = s.client.SetReadDeadline(time.Now())
	}
	return nil
}
