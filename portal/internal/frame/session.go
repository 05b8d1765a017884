package frame

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/moat-db/moat"
)

// maxSessions bounds what signing in again and again can take of the memory.
const maxSessions = 20_000

// Session is somebody signed in. The token itself is not kept.
type Session struct {
	Scope   moat.Scope // of a client
	Subject string     // for people; may be empty
	Reason  string     // of an operator: what this session is for
	Expires time.Time
	ViewAs  *ViewAs // an operator who views as a client
}

// ViewAs says who looks, and why.
type ViewAs struct{ Operator, Reason string }

// Sessions are those of one room, under one cookie. They are kept under the hash of the
// cookie: what reads the memory of a session map, or a dump of it, cannot sign in with it.
type Sessions struct {
	frame        *Frame
	cookie, path string

	mu  sync.Mutex
	all map[[32]byte]*Session
}

// Sessions returns sessions that a cookie of that name opens, below a path.
func (f *Frame) Sessions(cookie, path string) *Sessions {
	return &Sessions{frame: f, cookie: cookie, path: path, all: map[[32]byte]*Session{}}
}

// Start signs somebody in, in the place of who was.
func (s *Sessions) Start(w http.ResponseWriter, r *http.Request, one *Session) {
	s.drop(r)
	s.setCookie(w, r, s.add(one))
}

// End signs out.
func (s *Sessions) End(w http.ResponseWriter, r *http.Request) {
	s.drop(r)
	s.setCookie(w, r, "")
}

// Of returns the live session of a request, nil when there is none.
func (s *Sessions) Of(r *http.Request) *Session {
	id, ok := s.id(r)
	if !ok {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.all[id]
	if one == nil || !s.frame.Now().Before(one.Expires) {
		delete(s.all, id)
		return nil
	}
	return one
}

func (s *Sessions) id(r *http.Request) (id [32]byte, ok bool) {
	c, err := r.Cookie(s.cookie)
	if err != nil {
		return id, false
	}
	return sha256.Sum256([]byte(c.Value)), true
}

// add keeps one and returns the cookie's value.
func (s *Sessions) add(one *Session) string {
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
func (s *Sessions) sweep() {
	var first [32]byte
	var at time.Time
	for id, one := range s.all {
		if !s.frame.Now().Before(one.Expires) {
			delete(s.all, id)
			continue
		}
		if at.IsZero() || one.Expires.Before(at) {
			first, at = id, one.Expires
		}
	}
	if len(s.all) >= maxSessions {
		delete(s.all, first)
	}
}

func (s *Sessions) drop(r *http.Request) {
	if id, ok := s.id(r); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.all, id)
	}
}

// setCookie sends a session's cookie, or takes it away when value is empty.
func (s *Sessions) setCookie(w http.ResponseWriter, r *http.Request, value string) {
	age := 0
	if value == "" {
		age = -1
	}
	http.SetCookie(w, &http.Cookie{Name: s.cookie, Value: value, Path: s.path, MaxAge: age, HttpOnly: true,
		Secure: s.frame.SecureCookies || r.TLS != nil, SameSite: http.SameSiteLaxMode})
}

// Expiry is the end of a session that begins now with a token that ends at token.
func (f *Frame) Expiry(token time.Time) time.Time {
	end := f.Now().Add(f.SessionTTL)
	if token.Before(end) {
		return token
	}
	return end
}

// MaxSignIn bounds the form of a sign-in, with the longest token that is accepted.
const MaxSignIn = 64 << 10

// Token is the token that somebody pasted into a form.
func Token(r *http.Request) string {
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(r.PostFormValue("token")), "Bearer "))
}
