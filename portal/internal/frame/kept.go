package frame

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"
)

// A kept session's cookie is a random id, and a code that only a holder of the session key
// can make: whoever guesses does not get as far as the database.
const (
	idBytes   = 32
	codeBytes = 16
)

// keep signs somebody in with a row in the store.
func (s *Sessions) keep(w http.ResponseWriter, r *http.Request, one *Session) error {
	id := make([]byte, idBytes)
	rand.Read(id)
	one.key = base64.RawURLEncoding.EncodeToString(append(id, s.code(id)...))
	value, err := s.frame.encrypt(s.cookie, one.key, one)
	if err != nil {
		return err
	}
	row := kept{s.id(one.key), s.owner(one), s.frame.Now(), one.Expires, value, browser(r.UserAgent())}
	if err := s.frame.Store.put(r.Context(), row); err != nil {
		return err
	}
	return s.setCookie(w, r, one.key)
}

func (s *Sessions) owner(one *Session) []byte {
	hash := sha256.Sum256([]byte(s.cookie + "\x00" + one.owner()))
	return hash[:]
}

func (s *Sessions) code(id []byte) []byte {
	h := hmac.New(sha256.New, s.frame.secret)
	h.Write([]byte("moat portal 2 id " + s.cookie + "\x00"))
	h.Write(id)
	return h.Sum(nil)[:codeBytes]
}

// id is what the store knows a session by.
func (s *Sessions) id(key string) []byte {
	hash := sha256.Sum256([]byte(key))
	return hash[:]
}

func (s *Sessions) kept(ctx context.Context, key string) (*Session, error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(key)
	if err != nil || len(text) != idBytes+codeBytes || !hmac.Equal(text[idBytes:], s.code(text[:idBytes])) {
		return nil, nil
	}
	value, err := s.frame.Store.get(ctx, s.id(key), s.frame.Now())
	if err != nil || value == nil {
		return nil, err
	}
	one := &Session{key: key}
	if !s.frame.decrypt(s.cookie, key, value, one) || !s.frame.Now().Before(one.Expires) {
		return nil, nil
	}
	return one, nil
}

// Renew has change renew a session, once among all servers and requests that see that it is
// time, and returns what it is then; nil where it has ended. While another renews it, it
// returns the session as it is.
func (s *Sessions) Renew(ctx context.Context, one *Session, change func(*Session) error) (*Session, error) {
	mine, err := s.frame.Store.lease(ctx, s.id(one.key), s.frame.Now())
	if err != nil {
		return nil, err
	}
	if !mine {
		return s.kept(ctx, one.key)
	}
	// Another may have renewed it between the look and the lease.
	now, err := s.kept(ctx, one.key)
	if err != nil || now == nil {
		return nil, err
	}
	if now.Token == one.Token {
		// Renewed is renewed: a visitor who goes away must not lose the new refresh token.
		ctx = context.WithoutCancel(ctx)
		if err := change(now); err != nil {
			return nil, err
		}
	}
	value, err := s.frame.encrypt(s.cookie, one.key, now)
	if err != nil {
		return nil, err
	}
	return now, s.frame.Store.replace(ctx, s.id(one.key), value)
}

// Await returns a session that another request is renewing, once it has. One that takes too
// long is no reason to sign anybody out.
func (s *Sessions) Await(ctx context.Context, one *Session) (*Session, error) {
	for end := s.frame.Now().Add(renewTime); s.frame.Now().Before(end); {
		now, err := s.kept(ctx, one.key)
		if err != nil || now == nil || now.Token != one.Token {
			return now, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil, &Refusal{http.StatusServiceUnavailable, "Your sign-in is being renewed",
		"That takes longer than it should. Try again in a moment."}
}

// Drop ends a session that cannot be renewed.
func (s *Sessions) Drop(ctx context.Context, one *Session) error {
	return s.frame.Store.end(context.WithoutCancel(ctx), s.id(one.key))
}
