package seal

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"sync"
	"time"

	"github.com/moat-db/moat"
)

// DefaultValidity is how long a token may be used.
const DefaultValidity = 30 * time.Second

// maxValidity is what moat.enter accepts (enter.sql).
const maxValidity = 300 * time.Second

// Signer signs the tenants of one key. [Key.Signer] signs in this process; another
// may ask a key management service that computes HMAC-SHA-256 with the same key. It
// is called once per statement or transaction and must be safe for concurrent use.
type Signer interface {
	// KeyID is the id that the database knows the key by: 8 lower-case letters and
	// digits.
	KeyID() string
	// Sign returns the HMAC-SHA-256 of message, 32 bytes.
	Sign(ctx context.Context, message []byte) ([]byte, error)
}

// Options configure a [Sealer]. The zero value works.
type Options struct {
	// Validity is how long after signing a token binds. The clocks of client and
	// server may differ by less than this. Zero means [DefaultValidity]; more than
	// five minutes is refused.
	Validity time.Duration
	// AnyBackend signs tokens that hold on every connection, for a pooler that hides
	// the server process. The key must have been added with [KeyOptions].AnyBackend.
	// It is weaker: a token that someone sees can be used anywhere until it expires.
	// Zero means tokens that hold on their own connection.
	AnyBackend bool
}

// Sealer makes the statement that binds a tenant by signature. It implements
// [moat.Sealer] and is safe for concurrent use.
type Sealer struct {
	signer   func() (Signer, error)
	validity time.Duration
	any      bool
	now      func() time.Time
}

var _ moat.Sealer = (*Sealer)(nil)

// AnyBackend reports whether the signatures hold on every connection.
func (s *Sealer) AnyBackend() bool { return s.any }

// New returns a Sealer that signs with s. o may be nil.
func New(s Signer, o *Options) (*Sealer, error) {
	if s == nil {
		return nil, errors.New("seal: no signer")
	}
	if !validID(s.KeyID()) {
		return nil, errors.New("seal: the id of a key is 8 lower-case letters and digits")
	}
	return newSealer(func() (Signer, error) { return s, nil }, o)
}

func newSealer(signer func() (Signer, error), o *Options) (*Sealer, error) {
	if o == nil {
		o = &Options{}
	}
	s := &Sealer{signer: signer, validity: o.Validity, any: o.AnyBackend, now: time.Now}
	if s.validity == 0 {
		s.validity = DefaultValidity
	}
	if s.validity < time.Second || s.validity > maxValidity {
		return nil, fmt.Errorf("seal: a token must be valid for 1 s to %s", maxValidity)
	}
	return s, nil
}

// enterStatement has constant text, so that it is prepared once per connection.
const enterStatement = "select moat.enter($1, $2, $3, $4, $5)"

// Bind implements [moat.Sealer]. The subject, issuer, role and claims of the scope on ctx
// are sealed with the tenant; policies read them with moat.current_fact().
func (s *Sealer) Bind(ctx context.Context, tenant moat.Tenant, backend uint32) (string, []any, error) {
	if tenant == "" {
		return "", nil, moat.ErrNoTenant
	}
	facts, err := factsOf(ctx, tenant)
	if err != nil {
		return "", nil, err
	}
	signer, err := s.signer()
	if err != nil {
		return "", nil, err
	}
	if s.any {
		backend = 0
	}
	expires := s.now().Add(s.validity).Unix()
	signature, err := signer.Sign(ctx, message(signer.KeyID(), backend, expires, string(tenant), facts))
	if err != nil {
		return "", nil, fmt.Errorf("sign: %w", err)
	}
	return enterStatement, []any{string(tenant), expires, signer.KeyID(), signature, facts}, nil
}

// messagePrefix keeps these messages apart from anything else signed with the key.
const messagePrefix = "moat token 1"

// message is what is signed, as signed.sql puts it together again: fixed widths up to
// the tenant, whose length keeps it apart from the facts.
func message(key string, backend uint32, expires int64, tenant, facts string) []byte {
	m := make([]byte, 0, len(messagePrefix)+4+8+4+len(key)+len(tenant)+len(facts))
	m = append(m, messagePrefix...)
	m = binary.BigEndian.AppendUint32(m, backend)
	m = binary.BigEndian.AppendUint64(m, uint64(expires))
	m = binary.BigEndian.AppendUint32(m, uint32(len(tenant)))
	m = append(m, key...)
	return append(append(m, tenant...), facts...)
}

// facts is what moat.current_fact reads.
type facts struct {
	Subject string          `json:"subject,omitempty"`
	Issuer  string          `json:"issuer,omitempty"`
	Role    string          `json:"role,omitempty"`
	Claims  json.RawMessage `json:"claims,omitempty"`
}

// factsOf renders the facts of the scope on ctx; empty where it has none.
func factsOf(ctx context.Context, tenant moat.Tenant) (string, error) {
	scope, ok := moat.ScopeFrom(ctx)
	if !ok || (scope.Subject == "" && scope.Issuer == "" && scope.Role == "" && len(scope.Claims) == 0) {
		return "", nil
	}
	if scope.Tenant != tenant {
		return "", moat.ErrTenantMismatch
	}
	text, err := json.Marshal(facts{scope.Subject, scope.Issuer, scope.Role, scope.Claims})
	if err != nil {
		return "", fmt.Errorf("facts of the scope: %w", err)
	}
	return string(text), nil
}

// keySigner signs in this process. It keeps prepared HMACs: setting one up costs as
// much as signing.
type keySigner struct {
	id   string
	macs sync.Pool
}

// Signer returns a Signer that signs with the key in this process.
func (k Key) Signer() Signer {
	return &keySigner{id: k.id, macs: sync.Pool{New: func() any { return hmac.New(sha256.New, k.secret[:]) }}}
}

func (k *keySigner) KeyID() string { return k.id }

func (k *keySigner) Sign(_ context.Context, message []byte) ([]byte, error) {
	mac := k.macs.Get().(hash.Hash)
	defer k.macs.Put(mac)
	mac.Reset()
	mac.Write(message)
	return mac.Sum(make([]byte, 0, sha256.Size)), nil
}
