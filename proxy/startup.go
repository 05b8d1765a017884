package proxy

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// The codes that stand in place of a protocol version.
const (
	cancelCode = 80877102
	tlsCode    = 80877103
	gssCode    = 80877104
	version3   = 3
)

// mostStartup is how large a client's first messages may be; a token as password is the
// largest of them.
const mostStartup = 64 << 10

// peer is a client's connection as it is read and written.
type peer struct {
	net.Conn
	in  *reader
	mu  sync.Mutex // guards out
	out writer
	// patient is when the client was last given time to take what it is sent.
	patient time.Time
}

func (p *Proxy) newPeer(conn net.Conn) *peer {
	return &peer{Conn: conn, in: newReader(conn, mostStartup), out: writer{conn: conn}}
}

// tell sends a client messages at once.
func (c *peer) tell(messages ...message) error {
	for _, m := range messages {
		if err := c.write(m); err != nil {
			return err
		}
	}
	return c.flush()
}

func (c *peer) write(m message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.renewPatience()
	return c.out.write(m)
}

// renewPatience moves the end of the client's time to take what it is sent, when half of
// it has gone: moving it for each message would cost as much as the message. The time
// runs while nothing is sent, so it is renewed before what is.
func (c *peer) renewPatience() {
	if len(c.out.buf) > 0 {
		return
	}
	if now := time.Now(); now.Sub(c.patient) > patience/2 {
		c.patient = now
		_ = c.SetWriteDeadline(now.Add(patience))
	}
}

func (c *peer) flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.flush()
}

// serve is a client's whole life.
func (p *Proxy) serve(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(p.config.StartTime))
	c, parameters, err := p.greet(conn)
	if c == nil || parameters == nil && err == nil {
		return // a cancel request, or one who has gone
	}
	if err == nil && !c.secure() && !p.config.PlainPasswords && !loopback(conn.LocalAddr()) {
		err = fatal(codeAuthorized, "the password would travel in the open", "connect with TLS: sslmode=require")
	}
	began, caller := time.Now(), Caller{}
	if err == nil {
		caller, err = p.session(c, parameters)
	}
	p.logEnd(conn, caller, time.Since(began), err)
	p.metrics.ended(caller.Scope.Tenant, err)
	if err != nil && !gone(err) {
		c.patient = time.Now()
		_ = conn.SetWriteDeadline(c.patient.Add(time.Second))
		_ = c.tell(refusalOf(err).message())
	}
}

// logEnd writes the one line of a connection.
func (p *Proxy) logEnd(conn net.Conn, caller Caller, took time.Duration, err error) {
	attributes := []any{"remote", conn.RemoteAddr().String(), "tenant", string(caller.Scope.Tenant), "pool", caller.Pool,
		"seconds", took.Seconds()}
	if err != nil && !gone(err) {
		attributes = append(attributes, "error", err)
	}
	p.config.Logger.Info("connection ended", attributes...)
}

// gone says that a connection has ended by itself.
func gone(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) }

// greet reads what comes before a client says who it is: encryption, cancel requests and
// the start-up message, of which it returns the parameters.
func (p *Proxy) greet(conn net.Conn) (*peer, map[string]string, error) {
	c := p.newPeer(conn)
	if first, err := c.in.peek(1); err != nil {
		return nil, nil, err
	} else if first[0] == 0x16 { // a TLS handshake without asking (sslnegotiation=direct)
		if p.config.TLS == nil {
			return nil, nil, errors.New("TLS without a certificate")
		}
		c = p.encrypted(conn, c)
	}
	for {
		code, body, err := c.startup()
		if err != nil {
			return nil, nil, err
		}
		switch {
		case code == cancelCode:
			p.cancel(body)
			return nil, nil, nil
		case code == tlsCode && p.config.TLS != nil && !c.secure():
			if _, err := c.Write([]byte{'S'}); err != nil {
				return nil, nil, err
			}
			if !c.in.idle() { // typed into the open before the handshake (CVE-2021-23214)
				return nil, nil, errors.New("data before the TLS handshake")
			}
			c = p.encrypted(conn, c)
		case code == tlsCode, code == gssCode:
			if _, err := c.Write([]byte{'N'}); err != nil {
				return nil, nil, err
			}
		case code>>16 == version3:
			parameters, err := startupParameters(body)
			if err == nil {
				err = c.negotiate(code, parameters)
			}
			return c, parameters, err
		default:
			return c, nil, fatal(codeProtocol, fmt.Sprintf("protocol %d.%d is not supported", code>>16, code&0xffff), "")
		}
	}
}

// negotiate tells a client of a newer minor version, or with options of the protocol,
// that it gets neither.
func (c *peer) negotiate(code uint32, parameters map[string]string) error {
	var unknown []string
	for name := range parameters {
		if strings.HasPrefix(name, "_pq_.") {
			unknown = append(unknown, name)
		}
	}
	if code&0xffff == 0 && len(unknown) == 0 {
		return nil
	}
	body := binary.BigEndian.AppendUint32(nil, version3<<16)
	body = binary.BigEndian.AppendUint32(body, uint32(len(unknown)))
	if len(unknown) > 0 {
		body = append(body, text(unknown...)...)
	}
	return c.tell(message{'v', body})
}

func (c *peer) secure() bool { _, ok := c.Conn.(*tls.Conn); return ok }

// replay is a connection some of whose bytes have been read already.
type replay struct {
	net.Conn
	r io.Reader
}

func (r replay) Read(b []byte) (int, error) { return r.r.Read(b) }

func (p *Proxy) encrypted(conn net.Conn, c *peer) *peer {
	config := p.config.TLS.Clone()
	config.NextProtos = []string{"postgresql"}
	return p.newPeer(tls.Server(replay{conn, c.in}, config))
}

// startup reads a message of the kind that has no type.
func (c *peer) startup() (uint32, []byte, error) {
	head, err := c.in.read(8)
	if err != nil {
		return 0, nil, err
	}
	n, code := int(binary.BigEndian.Uint32(head))-len(head), binary.BigEndian.Uint32(head[4:])
	if n < 0 || n > mostStartup {
		return 0, nil, errors.New("a start-up message of this size is not one")
	}
	body, err := c.in.read(n)
	return code, body, err
}

func startupParameters(body []byte) (map[string]string, error) {
	parameters := map[string]string{}
	for len(body) > 1 {
		name, rest, ok := cut(body)
		value, rest, ok2 := cut(rest)
		if !ok || !ok2 {
			return nil, fatal(codeProtocol, "the start-up message is cut short", "")
		}
		parameters[string(name)], body = string(value), rest
	}
	return parameters, nil
}

// admitted are a client's parameters that go on to the server, or why it is refused: what
// the proxy itself decides a client may not.
func (p *Proxy) admitted(parameters map[string]string) (map[string]string, error) {
	if database := parameters["database"]; database != "" && database != p.config.Server.Database {
		return nil, fatal(codeDatabase, fmt.Sprintf("database %q is not served here", database),
			fmt.Sprintf("connect to %q", p.config.Server.Database))
	}
	out := map[string]string{}
	for name, value := range parameters {
		lower := strings.ToLower(name)
		switch {
		case lower == "user", lower == "database", strings.HasPrefix(lower, "_pq_."):
			continue
		case lower == "replication" && !disabled(value):
			return nil, fatal(codeUnsupported, "replication does not pass the proxy: it reads every tenant's rows", "")
		case lower == "replication":
			continue
		case p.reserved(lower), lower == "options" && p.mentionsReserved(value):
			return nil, fatal(codeAuthorized, "a start-up option touches a setting that the proxy binds: "+name,
				"the tenant, role and subject are those of the token")
		}
		out[lower] = value
	}
	return out, nil
}

func disabled(value string) bool {
	return strings.Contains(" false off no 0 ", " "+strings.ToLower(value)+" ")
}

// reserved says that a setting is the proxy's own to set.
func (p *Proxy) reserved(name string) bool {
	if name == "role" || name == "session_authorization" || name == "row_security" {
		return true
	}
	return slices.ContainsFunc(p.prefixes(), func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// prefixes are the name spaces of the settings that are bound: app. for app.subject.
func (p *Proxy) prefixes() []string {
	out := []string{"moat."}
	names, _ := settingNames(p.config.Options) // New has seen that they are right
	for _, name := range names {
		space, _, _ := strings.Cut(strings.ToLower(name), ".")
		out = append(out, space+".")
	}
	return out
}

// mentionsReserved looks for such a name anywhere in command-line options, however they
// are escaped there.
func (p *Proxy) mentionsReserved(options string) bool {
	plain := strings.ToLower(strings.NewReplacer(`\`, "", "-", "_").Replace(options))
	for _, name := range append(p.prefixes(), "role=", "session_authorization", "row_security") {
		if strings.Contains(plain, name) {
			return true
		}
	}
	return false
}

// tenantParameter is the start-up parameter by which a client chooses its tenant.
const tenantParameter = "moat.tenant"

// takeTenant takes the choice of a tenant out of the start-up parameters: a parameter of its
// own, or one of the options, as in PGOPTIONS='-c moat.tenant=…'.
func takeTenant(parameters map[string]string) string {
	tenant := parameters[tenantParameter]
	delete(parameters, tenantParameter)
	words := strings.Fields(parameters["options"])
	for i, word := range words {
		value, ok := strings.CutPrefix(word, tenantParameter+"=")
		if !ok || i == 0 || words[i-1] != "-c" || tenant != "" {
			continue
		}
		tenant = value
		rest := append(words[:i-1:i-1], words[i+1:]...)
		if parameters["options"] = strings.Join(rest, " "); len(rest) == 0 {
			delete(parameters, "options")
		}
	}
	return tenant
}

// authenticate asks for the password, and verifies it as a token.
func (p *Proxy) authenticate(ctx context.Context, c *peer, tenant string) (Caller, error) {
	if err := c.tell(message{'R', []byte{0, 0, 0, 3}}); err != nil { // AuthenticationCleartextPassword
		return Caller{}, err
	}
	m, err := c.in.next()
	if err != nil {
		return Caller{}, err
	}
	token, _, ok := cut(m.body)
	if m.kind != 'p' || !ok {
		return Caller{}, fatal(codeProtocol, "expected a password", "")
	}
	caller, err := p.verified(ctx, string(token), tenant)
	if err != nil || caller.Pool {
		return Caller{Expires: caller.Expires, Pool: caller.Pool, Admit: caller.Admit}, err
	}
	caller.Scope, err = caller.Admit(ctx, caller.Scope)
	return caller, err
}

// verified says whom a token speaks for, or why it is refused.
func (p *Proxy) verified(ctx context.Context, token, tenant string) (Caller, error) {
	caller, err := p.config.Verify(ctx, token, tenant)
	if err == nil {
		return caller, nil
	}
	if r := new(Refusal); errors.As(err, &r) {
		return Caller{}, fatal(r.Code, r.Message, r.Hint)
	}
	return Caller{}, fatal(codePassword, "the token is not accepted: "+err.Error(), "the password is the token")
}

// cancelKey is what a client cancels with: ours, never the server's.
type cancelKey [8]byte

func newCancelKey() cancelKey {
	var k cancelKey
	_, _ = rand.Read(k[:])
	return k
}

// cancel passes a cancel request on to the server, for the client that has the key.
func (p *Proxy) cancel(body []byte) {
	p.mu.Lock()
	var s *session
	if len(body) == len(cancelKey{}) {
		s = p.clients[cancelKey(body)]
	}
	p.mu.Unlock()
	if s == nil {
		return
	}
	address := s.up.Conn.RemoteAddr()
	conn, err := net.DialTimeout(address.Network(), address.String(), 5*time.Second)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	request := binary.BigEndian.AppendUint32(nil, uint32(12+len(s.up.SecretKey)))
	request = binary.BigEndian.AppendUint32(request, cancelCode)
	request = binary.BigEndian.AppendUint32(request, s.up.PID)
	if _, err := io.Copy(conn, bytes.NewReader(append(request, s.up.SecretKey...))); err == nil {
		_, _ = conn.Read(make([]byte, 1)) // the server closes it once the signal is sent
	}
}
