package proxy

import (
	"fmt"

	"github.com/moat-db/moat/internal/sqltext"
)

// prepared is a statement that the client has prepared by the protocol.
type prepared struct {
	name  string
	class class
	text  string
	token string // that it names, for class names
	// chains says that one of class ends begins another transaction at once.
	chains bool
	// parent is the trace that its text names.
	parent string
	// parse is the message that prepares it, kept for a pool: another tenant's turn ends
	// what the server has.
	parse []byte
	life  int // of the server's session in which it was parsed
	// segment is where it was last parsed, done that the server has answered that.
	segment int
	done    bool
	// replaced stood under the name before, as long as the server has not answered. undone
	// says that it never parsed this one.
	replaced *prepared
	undone   bool
	own      bool // the proxy's
}

// standing is the statement, or the one before it that the server still has.
func (p *prepared) standing() *prepared {
	for p != nil && p.undone {
		p = p.replaced
	}
	return p
}

// statement is what the client has prepared under a name. Behind a Sync it depends on
// answers that have not come: after an error the server ignores what follows up to there.
func (s *session) statement(name []byte) (*prepared, error) {
	p := s.statements[string(name)]
	if (p == nil || !p.done && p.segment != s.segment) && len(s.slots) > 0 {
		if err := s.settle(); err != nil {
			return nil, err
		}
		p = s.statements[string(name)]
	}
	if p != nil && p.own {
		return nil, nil
	}
	return p, nil
}

// mostKept bounds the texts of a pool's prepared statements, in bytes for a connection.
const mostKept = 1 << 20

// keep remembers what a Parse message prepares, until the server's answer says whether
// it did.
func (s *session) keep(name string, p *prepared, m message) (replaced *prepared, err error) {
	if s.pool {
		if s.kept+len(m.body) > mostKept {
			return nil, &Refusal{codeConfigured, fmt.Sprintf("the prepared statements of this connection exceed %d bytes",
				mostKept), "prepare fewer, or DEALLOCATE them", false}
		}
		p.parse = append([]byte(nil), m.body...)
	}
	p.replaced = s.store(name, p)
	return p.replaced, nil
}

// store puts a statement in the place of another, or of none; nil takes it away.
func (s *session) store(name string, p *prepared) (replaced *prepared) {
	if replaced = s.statements[name]; p == replaced {
		return replaced
	}
	if replaced != nil {
		s.kept -= len(replaced.parse)
	}
	if p == nil {
		delete(s.statements, name)
		return replaced
	}
	s.statements[name] = p
	s.kept += len(p.parse)
	return replaced
}

// undo takes back what an answer that never came would have said.
func (s *session) undo(x slot) {
	x.span.ignored()
	switch {
	case x.own && x.prepared != nil && !x.prepared.own:
		x.prepared.life, x.prepared.done = -1, true
		return
	case x.prepared != nil:
		x.prepared.undone = true
	}
	if (x.prepared != nil || x.replaced != nil) && s.statements[x.name] == x.prepared {
		s.store(x.name, x.replaced.standing())
	}
}

// revive prepares a statement again that another tenant's turn has ended on the server.
func (s *session) revive(p *prepared) error {
	if !s.pool || p == nil || p == unknown || p.life == s.life || s.skipping {
		return nil
	}
	p.life, p.segment, p.done = s.life, s.segment, false
	if err := s.send(message{'C', append([]byte{'S'}, text(p.name)...)}, true); err != nil {
		return err
	}
	return s.sendSlot(message{'P', p.parse}, slot{kind: 'P', own: true, prepared: p})
}

// reviveNamed prepares what DEALLOCATE names, where the server does not have it any more:
// the client may end what it has prepared. It says whether something was sent.
func (s *session) reviveNamed(sql string) (bool, error) {
	code := sqltext.Code(sql)
	for len(code) > 0 && code[len(code)-1].Is(";") {
		code = code[:len(code)-1]
	}
	if !s.pool || len(code) == 0 || !code[0].Is("deallocate") || s.status == 'E' {
		return false, nil
	}
	p := s.statements[code[len(code)-1].Name()]
	if p == nil || p.life == s.life {
		return false, nil
	}
	return true, s.revive(p)
}

// forget notes that SQL has ended prepared statements.
func (s *session) forget(sql string) {
	for _, code := range split(sql) {
		if code.class() == forgets {
			s.forgetBy(code)
		}
	}
}

// forgetBy takes away the statement that DEALLOCATE names, or all.
func (s *session) forgetBy(code statement) {
	last := code[len(code)-1]
	switch {
	case code[0].Is("discard") && !last.Is("all"):
	case last.Is("all"):
		for name := range s.statements {
			if name != "" { // SQL does not end the unnamed one
				s.store(name, nil)
			}
		}
	default:
		s.store(last.Name(), nil)
	}
}
