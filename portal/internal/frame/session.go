package frame

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
)

// Session is somebody signed in. With a [Store] the cookie is a random id; without one the
// session travels in the cookie, encrypted, and is kept nowhere else. Either way nobody's
// sign-ins push out another's, and several servers with the same key accept each other's.
type Session struct {
	// Token is what was signed in with. It is verified again for each request, so the
	// session ends with its key, its issuer and its time.
	Token string `json:"t"`
	// Reason is an operator's: what the session is for.
	Reason string `json:"r,omitempty"`
	// Expires is its end at the latest.
	Expires time.Time `json:"e"`
	// Account is the tenant that was chosen, where the token does not name it.
	Account moat.Tenant `json:"c,omitempty"`
	// Host is where the session was begun, without its port, and the only host that it opens.
	Host string `json:"h"`
	// Provider is the issuer whose provider the token came from, of who signed in there, and
	// Refresh what renews it; that is kept in a store only, where one request at a time uses it.
	Provider string `json:"p,omitempty"`
	Refresh  string `json:"f,omitempty"`
	// ViewAs is of an operator who views as a client; the token is the operator's.
	ViewAs *ViewAs `json:"v,omitempty"`

	// What the token says, filled in when it is verified.
	Identity auth.Identity `json:"-"` // of a client
	Scope    moat.Scope    `json:"-"` // of a client; without a tenant where one is chosen
	Subject  string        `json:"-"` // of an operator

	key string // the value of its cookie
}

// owner is whose session it is, among those of its room.
func (one *Session) owner() string {
	switch {
	case one.ViewAs != nil:
		return "view\x00" + one.ViewAs.Operator
	case one.Identity.Subject != "":
		return "subject\x00" + one.Identity.Issuer + "\x00" + one.Identity.Subject
	}
	return "token\x00" + one.Token
}

// ViewAs says who looks at whom, and why.
type ViewAs struct {
	Operator string      `json:"o"`
	Tenant   moat.Tenant `json:"t"`
	Reason   string      `json:"r"`
	// Subject and Issuer are of the member whose view it is; empty where it is nobody's in
	// particular.
	Subject string `json:"s,omitempty"`
	Issuer  string `json:"i,omitempty"`
}

// Sessions are those of one room, under one cookie.
type Sessions struct {
	frame        *Frame
	cookie, path string

	mu    sync.Mutex
	ended map[[32]byte]time.Time // sessions that were signed out of, until they expire
}

// Sessions returns sessions that a cookie of that name opens, below a path.
func (f *Frame) Sessions(cookie, path string) *Sessions {
	return &Sessions{frame: f, cookie: cookie, path: path, ended: map[[32]byte]time.Time{}}
}

// sessionSecret is the configured secret. Without one it is made up, and the sessions end
// with the process.
func sessionSecret(secret []byte) []byte {
	if len(secret) == 0 {
		secret = make([]byte, 32)
		rand.Read(secret) // never fails: crypto/rand ends the program instead
	}
	return secret
}

// Start signs somebody in, in the place of who was.
func (s *Sessions) Start(w http.ResponseWriter, r *http.Request, one *Session) error {
	if err := s.end(r); err != nil {
		return err
	}
	one.Host = Hostname(r.Host)
	if s.frame.Store != nil {
		return s.keep(w, r, one)
	}
	one.Refresh = ""
	value, err := s.frame.seal(s.cookie, one)
	if err != nil {
		return err
	}
	return s.setCookie(w, r, value)
}

// End signs out.
func (s *Sessions) End(w http.ResponseWriter, r *http.Request) error {
	if err := s.end(r); err != nil {
		return err
	}
	return s.setCookie(w, r, "")
}

// Of returns the session of a request, nil when there is none, or none of this host. Whether
// its token is still good is for the room to say.
func (s *Sessions) Of(r *http.Request) (*Session, error) {
	one, err := s.opened(r)
	if err != nil || one == nil || one.Host != Hostname(r.Host) {
		return nil, err
	}
	return one, nil
}

func (s *Sessions) opened(r *http.Request) (*Session, error) {
	value := s.value(r)
	if value == "" {
		return nil, nil
	}
	if s.frame.Store != nil {
		return s.kept(r.Context(), value)
	}
	one := &Session{key: value}
	if !s.frame.open(s.cookie, value, one) || !s.frame.Now().Before(one.Expires) {
		return nil, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ended := s.ended[sha256.Sum256([]byte(value))]; ended {
		return nil, nil
	}
	return one, nil
}

// maxEnded bounds what signing out takes of the memory.
const maxEnded = 100_000

// end notes that the session of a request is over, for who kept its cookie.
func (s *Sessions) end(r *http.Request) error {
	one, err := s.Of(r)
	if err != nil || one == nil {
		return err
	}
	if s.frame.Store != nil {
		return s.frame.Store.end(r.Context(), s.id(one.key))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.ended) >= maxEnded {
		for id, until := range s.ended {
			if !s.frame.Now().Before(until) {
				delete(s.ended, id)
			}
		}
	}
	if len(s.ended) < maxEnded {
		s.ended[sha256.Sum256([]byte(one.key))] = one.Expires
	}
	return nil
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
