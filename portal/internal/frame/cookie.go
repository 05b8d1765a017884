package frame

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// cipherFor makes the cipher of one purpose, from the secret and what only the holder of a
// cookie has, if anything.
func (f *Frame) cipherFor(purpose, holder string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, f.secret, []byte(holder), "moat portal 2 "+purpose, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal encrypts a value for the cookie of that name.
func (f *Frame) seal(cookie string, value any) (string, error) {
	text, err := f.encrypt(cookie, "", value)
	return base64.RawURLEncoding.EncodeToString(text), err
}

// open reads what seal made for the same cookie.
func (f *Frame) open(cookie, text string, into any) bool {
	sealed, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && f.decrypt(cookie, "", sealed, into)
}

func (f *Frame) encrypt(purpose, holder string, value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	c, err := f.cipherFor(purpose, holder)
	if err != nil {
		return nil, fmt.Errorf("session: %w", err)
	}
	return c.Seal(nil, nil, text, nil), nil
}

func (f *Frame) decrypt(purpose, holder string, sealed []byte, into any) bool {
	c, err := f.cipherFor(purpose, holder)
	if err != nil {
		return false
	}
	text, err := c.Open(nil, nil, sealed, nil)
	return err == nil && json.Unmarshal(text, into) == nil
}

// Secure says whether the visitor came over TLS.
func (f *Frame) Secure(r *http.Request) bool { return f.SecureCookies || r.TLS != nil }

// cookieOf is a cookie with what all have in common. Over TLS its name begins with __Host-:
// browsers take such a cookie from this very host only, not from a neighbour below the
// same domain (RFC 6265bis, 4.1.3.2).
func (f *Frame) cookieOf(r *http.Request, name, path string) *http.Cookie {
	c := &http.Cookie{Name: name, Path: path, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if f.Secure(r) {
		c.Name, c.Path, c.Secure = "__Host-"+name, "/", true
	}
	return c
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
		c, err := r.Cookie(s.frame.cookieOf(r, s.piece(i), s.path).Name)
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
		c := s.frame.cookieOf(r, s.piece(i), s.path)
		_, err := r.Cookie(c.Name)
		if part == "" && i > 0 && err != nil {
			continue
		}
		if c.Value = part; part == "" {
			c.MaxAge = -1
		}
		http.SetCookie(w, c)
	}
	return nil
}

// Remember keeps a value with the browser, encrypted, for a while; nil forgets it.
func (f *Frame) Remember(w http.ResponseWriter, r *http.Request, name string, value any, seconds int) error {
	c := f.cookieOf(r, name, Base)
	if c.MaxAge = -1; value != nil {
		text, err := f.seal(name, value)
		if err != nil {
			return err
		}
		c.Value, c.MaxAge = text, seconds
	}
	http.SetCookie(w, c)
	return nil
}

// Recall reads what [Frame.Remember] kept, and reports whether it is there.
func (f *Frame) Recall(r *http.Request, name string, into any) bool {
	c, err := r.Cookie(f.cookieOf(r, name, Base).Name)
	return err == nil && f.open(name, c.Value, into)
}
