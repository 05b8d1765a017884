package portal

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"github.com/moat-db/moat"
)

const (
	clientCookie   = "moat_client"
	operatorCookie = "moat_operator"
	// maxSessions bounds what signing in again and again can take of the memory.
	maxSessions = 20_000
)

// session is somebody signed in. The token itself is not kept.
type session struct {
	scope   moat.Scope // of a client
	subject string     // for people; may be empty
	reason  string     // of an operator: what this session is for
	expires time.Time
	viewAs  *viewAs // an operator who views as a client
}

// viewAs says who looks, and why.
type viewAs struct {
	Operator string
	Reason   string
}

// sessions are kept under the hash of the cookie: what reads the memory of a session
// map, or a dump of it, cannot sign in with it.
type sessions struct {
	now func() time.Time
	mu  sync.Mutex
	all map[[32]byte]*session
}

func newSessions(now func() time.Time) *sessions {
	return &sessions{now: now, all: map[[32]byte]*session{}}
}

// add keeps s and returns the cookie's value.
func (s *sessions) add(one *session) string {
	value := rand.Text() + rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) >= maxSessions {
		s.sweep()
	}
	s.all[sha256.Sum256([]byte(value))] = one
	return value
}

// sweep drops what has expired and, when that is not enough, what expires first.
func (s *sessions) sweep() {
	var first [32]byte
	var at time.Time
	for id, one := range s.all {
		if !s.now().Before(one.expires) {
			delete(s.all, id)
			continue
		}
		if at.IsZero() || one.expires.Before(at) {
			first, at = id, one.expires
		}
	}
	if len(s.all) >= maxSessions {
		delete(s.all, first)
	}
}

// of returns the live session of a request, nil when there is none.
func (s *sessions) of(r *http.Request, cookie string) *session {
	c, err := r.Cookie(cookie)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := sha256.Sum256([]byte(c.Value))
	one := s.all[id]
	if one == nil || !s.now().Before(one.expires) {
		delete(s.all, id)
		return nil
	}
	return one
}

func (s *sessions) remove(r *http.Request, cookie string) {
	if c, err := r.Cookie(cookie); err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, sha256.Sum256([]byte(c.Value)))
	}
}

// setCookie sends a session's cookie, or takes it away when value is empty.
func (p *Portal) setCookie(w http.ResponseWriter, r *http.Request, name, path, value string) {
	age := 0
	if value == "" {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: path, MaxAge: age, HttpOnly: true,
		Secure: p.config.SecureCookies || r.TLS != nil, SameSite: http.SameSiteLaxMode})
}

// expiry is the end of a session that begins now with a token that ends at token.
func (p *Portal) expiry(token time.Time) time.Time {
	end := p.config.Now().Add(p.config.SessionTTL)
	if token.Before(end) {
		return token
	}
	return end
}
