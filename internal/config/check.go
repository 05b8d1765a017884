package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat"
)

// check finds values that could only be mistakes. The first error is returned, and
// names its key.
func (c *Config) check() error {
	return cmp.Or(c.Tables.check(), c.checkShapes(), c.Tenant.check(), c.Auth.check(), c.Serve.check(), c.Proxy.check(),
		c.MCP.check(), c.Limits.check(), c.Citus.check(), c.checkSignIn(), c.Export.check(), c.Portal.check())
}

func (c Citus) check() error {
	switch c.Binding {
	case "", "detect", "set_tenant", "plain":
		return nil
	}
	return fmt.Errorf("citus.binding %q: use detect, set_tenant or plain", c.Binding)
}

func (e Export) check() error {
	for _, name := range append(slices.Collect(maps.Keys(e.Mask)), e.LeaveOut...) {
		if strings.Count(name, ".") != 2 {
			return fmt.Errorf("export: column %q: write it as schema.table.column", name)
		}
	}
	for name, how := range e.Mask {
		if how != "null" && how != "hash" {
			return fmt.Errorf("export.mask %s: %q: use \"null\", in quotes, or hash", name, how)
		}
	}
	return nil
}

func (t Tables) check() error {
	for _, name := range slices.Concat(t.Shared, t.Ignore) {
		if !qualified(name) {
			return fmt.Errorf("table %q: write it as schema.table", name)
		}
	}
	return nil
}

func (t Tenant) check() error {
	switch t.Type {
	case "", "uuid", "bigint", "integer", "text":
	default:
		return fmt.Errorf("tenant.type %q: use uuid, bigint, integer or text", t.Type)
	}
	for _, s := range []struct{ key, name string }{{"setting", t.Setting}, {"subject_setting", t.SubjectSetting},
		{"role_setting", t.RoleSetting}, {"claims_setting", t.ClaimsSetting},
		{"issuer_setting", t.IssuerSetting}} {
		if s.name != "" && !strings.Contains(s.name, ".") {
			return fmt.Errorf("tenant.%s %q: a custom setting has a dot in its name, like %s",
				s.key, s.name, moat.DefaultTenantSetting)
		}
	}
	return nil
}

func (s Serve) check() error {
	if (s.TLSCertFile == "") != (s.TLSKeyFile == "") {
		return errors.New("serve.tls_cert_file and serve.tls_key_file go together")
	}
	if s.PreRequest != "" && !qualified(s.PreRequest) {
		return fmt.Errorf("serve.pre_request %q: write it as schema.function", s.PreRequest)
	}
	if s.RootSpec != "" && !qualified(s.RootSpec) {
		return fmt.Errorf("serve.root_spec %q: write it as schema.function", s.RootSpec)
	}
	if s.Membership != nil {
		return errors.New("serve.membership is now caller, at the top: " +
			"{table: app.memberships, subject: user_id, tenant: tenant_id, role: role, mode: active}")
	}
	if s.MaxBodyBytes == 0 {
		return errors.New("serve.max_body_bytes: 0 would refuse every write")
	}
	return cmp.Or(
		s.checkExpose(), s.TenantFrom.check(), s.addresses(), origins(s.CORSOrigins), s.Tracing.check(),
		notNegative("serve.statement_timeout", s.StatementTimeout), notNegative("serve.drain_delay", s.DrainDelay),
		notNegative("serve.max_rows", s.MaxRows),
		notNegative("serve.max_body_bytes", s.MaxBodyBytes), notNegative("serve.pool_size", s.PoolSize),
		notNegative("serve.replica_max_lag", s.MaxLag),
		notNegative("serve.metrics_tenants", s.MetricsTenants),
	)
}

func (c *Config) checkSignIn() error {
	for where, issuers := range map[string][]Issuer{"auth.issuers": c.Auth.Issuers,
		"portal.operator_issuers": c.Portal.Operators} {
		for _, i := range issuers {
			if i.SignIn != nil && i.SignIn.ClientID == "" {
				return fmt.Errorf("%s: sign_in of %s needs client_id", where, i.Issuer)
			}
		}
	}
	return nil
}

func (p Portal) check() error {
	for _, name := range sorted(p.Tables) {
		for view, query := range p.Tables[name].Views {
			if _, err := url.ParseQuery(query); err != nil || view == "" {
				return fmt.Errorf("portal.tables.%s.views.%s: write it as an address has it, like f.status=won&sort=value",
					name, view)
			}
		}
	}
	return tables("portal.tables", maps.Keys(p.Tables))
}

func (s Serve) checkExpose() error {
	for _, name := range sorted(s.Expose) {
		if a := s.Expose[name].Access; a != "" && a != "hidden" && a != "read" {
			return fmt.Errorf("serve.expose.%s.access %q: use hidden or read", name, a)
		}
	}
	return tables("serve.expose", maps.Keys(s.Expose))
}

func (m MCP) check() error {
	if m.Enabled && m.Resource == "" {
		return errors.New("mcp.resource: write the address that agents use, like https://api.example.com/mcp")
	}
	if slices.Contains(m.Origins, "*") {
		return errors.New("mcp.origins: name the pages; any page could otherwise borrow a browser's place in the network")
	}
	return cmp.Or(origins(m.Origins), notNegative("mcp.max_rows", m.MaxRows), notNegative("mcp.max_bytes", m.MaxBytes),
		notNegative("mcp.max_cost", m.MaxCost), notNegative("mcp.statement_timeout", m.StatementTimeout),
		notNegative("mcp.connections", m.Connections))
}

func (p Proxy) check() error {
	return cmp.Or(
		address("proxy.address", p.Address), notNegative("proxy.connections", p.Connections),
		notNegative("proxy.tenant_connections", p.TenantConnections), notNegative("proxy.wait", p.Wait), p.checkServices(),
	)
}

func (p Proxy) checkServices() error {
	if slices.Contains(p.Services, "") {
		return errors.New("proxy.services: an empty subject would let in every token without one")
	}
	return nil
}

func (s Serve) addresses() error {
	if err := address("serve.address", s.Address); err != nil {
		return err
	}
	if s.MetricsAddress == "" {
		return nil
	}
	if err := address("serve.metrics_address", s.MetricsAddress); err != nil {
		return err
	}
	if _, port, _ := net.SplitHostPort(s.Address); s.MetricsAddress == s.Address && port != "0" {
		return errors.New("serve.metrics_address: it is serve.address; give it another one, or leave it out to serve " +
			"/metrics there")
	}
	return nil
}

func address(key, value string) error {
	_, port, err := net.SplitHostPort(value)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n > 65535 {
		return fmt.Errorf("%s %q: write it as host:port, like 127.0.0.1:8080 or :8080", key, value)
	}
	return nil
}

// origins are compared with what a browser sends, byte by byte (RFC 6454, 6.2).
func origins(list []string) error {
	for _, o := range list {
		if o == "*" {
			continue
		}
		u, err := url.Parse(o)
		if err != nil || u.Host == "" || o != u.Scheme+"://"+strings.ToLower(u.Host) {
			return fmt.Errorf("serve.cors_origins %q: write it as scheme://host or scheme://host:port, without a path and "+
				"in lower case, or \"*\"", o)
		}
	}
	return nil
}

func (t Tracing) check() error {
	if t.Endpoint == "" {
		return nil
	}
	return CheckEndpoint("serve.tracing.endpoint", t.Endpoint)
}

// CheckEndpoint returns an error when a collector's address is not one. It does not
// repeat the address, which may hold a password.
func CheckEndpoint(name, value string) error {
	u, err := url.Parse(value)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.RawQuery != "" ||
		u.Fragment != "" {
		return fmt.Errorf("%s: write it as http://host:4318 or https://host:4318", name)
	}
	return nil
}

func (l Limits) check() error {
	q := l.Query
	return cmp.Or(
		notNegative("limits.requests_per_second", l.RequestsPerSecond), notNegative("limits.burst", l.Burst),
		notNegative("limits.key_requests_per_second", l.KeyRequestsPerSecond),
		notNegative("limits.concurrent", l.Concurrent), notNegative("limits.wait", l.Wait),
		notNegative("limits.beside_others", l.BesideOthers),
		notNegative("limits.response_bytes", l.ResponseBytes),
		notNegative("limits.tenant_held_bytes", l.TenantHeldBytes),
		notNegative("limits.held_bytes", l.HeldBytes),
		notNegative("limits.query.bytes", q.Bytes), notNegative("limits.query.depth", q.Depth),
		notNegative("limits.query.embeds", q.Embeds),
		notNegative("limits.query.items", q.Items), notNegative("limits.query.filters", q.Filters),
		notNegative("limits.query.values", q.Values),
	)
}

func notNegative[N ~int | ~int32 | ~int64 | ~float64](key string, value N) error {
	if value < 0 {
		return fmt.Errorf("%s: it cannot be negative", key)
	}
	return nil
}

// qualified reports whether a name is of the form schema.name.
func qualified(name string) bool {
	schema, rest, found := strings.Cut(name, ".")
	return found && schema != "" && rest != "" && !strings.Contains(rest, ".")
}
