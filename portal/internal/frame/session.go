package frame

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
)

// Session is somebody signed in. It travels in the cookie, encrypted, and nowhere else is
// it kept: nobody's sign-ins push out another's, and several servers with the same key
// accept each other's.
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
	// ViewAs is of an operator who views as a client; the token is the operator's.
	ViewAs *ViewAs `json:"v,omitempty"`

	// What the token says, filled in when it is verified.
	Identity auth.Identity `json:"-"` // of a client
	Scope    moat.Scope    `json:"-"` // of a client; without a tenant where one is chosen
	Subject  string        `json:"-"` // for people; may be empty
}

// ViewAs says who looks at whom, and why.
type ViewAs struct {
	Operator string      `json:"o"`
	Tenant   moat.Tenant `json:"t"`
	Reason   string      `json:"r"`
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

// sessionCipher makes the cipher of the cookies from a secret. Without one it makes one up,
// and the sessions end with the process.
func sessionCipher(secret []byte) (cipher.AEAD, error) {
	if len(secret) == 0 {
		secret = make([]byte, 32)
		rand.Read(secret) // never fails: crypto/rand ends the program instead
	}
	key := sha256.Sum256(append([]byte("moat portal session 1\x00"), secret...))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// Start signs somebody in, in the place of who was.
func (s *Sessions) Start(w http.ResponseWriter, r *http.Request, one *Session) error {
	s.end(r)
	text, err := json.Marshal(one)
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return s.setCookie(w, r, base64.RawURLEncoding.EncodeToString(s.frame.sessions.Seal(nil, nil, text, []byte(s.cookie))))
}

// End signs out.
func (s *Sessions) End(w http.ResponseWriter, r *http.Request) error {
	s.end(r)
	return s.setCookie(w, r, "")
}

// Of returns the session of a request, nil when there is none. Whether its token is still
// good is for the room to say.
func (s *Sessions) Of(r *http.Request) *Session {
	value := s.value(r)
	sealed, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || value == "" {
		return nil
	}
	text, err := s.frame.sessions.Open(nil, nil, sealed, []byte(s.cookie))
	if err != nil {
		return nil
	}
	one := &Session{}
	if json.Unmarshal(text, one) != nil || !s.frame.Now().Before(one.Expires) {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ended := s.ended[sha256.Sum256([]byte(value))]; ended {
		return nil
	}
	return one
}

// maxEnded bounds what signing out takes of the memory.
const maxEnded = 100_000

// end notes that the session of a request is over, for who kept its cookie.
func (s *Sessions) end(r *http.Request) {
	one := s.Of(r)
	if one == nil {
		return
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
		s.ended[sha256.Sum256([]byte(s.value(r)))] = one.Expires
	}
}

// A browser keeps 4096 bytes of a cookie, and tokens are longer: the value is spread over
// several.
const (
	pieceBytes = 3800
	maxPieces  = 6
)

func (s *Sessions) piece(i int) string {
	if i == 0 {
		return s.cookie
	}
	return s.cookie + "_" + strconv.Itoa(i)
}

func (s *Sessions) value(r *http.Request) string {
	var b strings.Builder
	for i := range maxPieces {
		c, err := r.Cookie(s.piece(i))
		if err != nil {
			break
		}
		b.WriteString(c.Value)
	}
	return b.String()
}

var errLongToken = &Refusal{http.StatusRequestEntityTooLarge, "This token is too long",
	"A browser cannot keep it. Ask for one with fewer claims."}

// setCookie sends a session's cookies, and takes away those that are not needed.
func (s *Sessions) setCookie(w http.ResponseWriter, r *http.Request, value string) error {
	if len(value) > maxPieces*pieceBytes {
		return errLongToken
	}
	for i := range maxPieces {
		part := value[:min(len(value), pieceBytes)]
		value = value[len(part):]
		_, err := r.Cookie(s.piece(i))
		if part == "" && i > 0 && err != nil {
			continue
		}
		age := 0
		if part == "" {
			age = -1
		}
		http.SetCookie(w, &http.Cookie{Name: s.piece(i), Value: part, Path: s.path, MaxAge: age, HttpOnly: true,
			Secure: s.frame.SecureCookies || r.TLS != nil, SameSite: http.SameSiteLaxMode})
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
