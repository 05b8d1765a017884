package config

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// NoAudience, as the only audience, stands for tokens that have none.
const NoAudience = "none"

// Speaks says for which tenants an issuer speaks: all, a list, or those whose row in the
// tenants table names the issuer in a column. The zero value says nothing.
type Speaks struct {
	All    bool
	List   []string
	Column string
}

// Said reports whether anything is said.
func (s Speaks) Said() bool { return s.All || s.Column != "" || s.List != nil }

// UnmarshalYAML accepts all, a list of tenants, or {column: name}.
func (s *Speaks) UnmarshalYAML(unmarshal func(any) error) error {
	var word string
	if unmarshal(&word) == nil {
		if word != "all" {
			return fmt.Errorf("tenants: %q: write all, a list, or {column: name}", word)
		}
		s.All = true
		return nil
	}
	var list []any
	if unmarshal(&list) == nil {
		s.List = []string{}
		for _, one := range list {
			s.List = append(s.List, fmt.Sprint(one))
		}
		return nil
	}
	var by struct {
		Column string `yaml:"column"`
	}
	if err := unmarshal(&by); err != nil {
		return err
	}
	if by.Column == "" {
		return errors.New("tenants: write all, a list, or {column: name}")
	}
	s.Column = by.Column
	return nil
}

// CheckIssuers finds what is left open about who speaks for which tenant. Whatever serves
// asks; other commands have no use for issuers.
func (c *Config) CheckIssuers() error {
	all := c.Auth.Issuers
	for i, one := range all {
		if len(all) > 1 && !one.Tenants.Said() {
			return fmt.Errorf("auth.issuers[%d] (%s): with several issuers, each says which tenants it speaks for; write "+
				"tenants: all, a list of them, or {column: issuer}, a column of the tenants table that names the issuer",
				i, one.Issuer)
		}
	}
	if len(all) > 1 && c.Caller.Table != "" && c.Caller.Issuer == "" {
		return errors.New("caller: with several issuers a member is a subject of one of them; name the column in " +
			"caller.issuer")
	}
	return nil
}

// TenantFrom says where a request may name its tenant beside the header Moat-Tenant.
type TenantFrom struct {
	// Host is a host with * in place of the tenant, and Path what comes before it.
	Host string `yaml:"host"`
	Path string `yaml:"path"`
	// Column of the tenants table holds the names that hosts and paths use; empty: the key.
	Column string `yaml:"column"`
	// TrustedProxies may say, in X-Forwarded-Host, which host they were asked for.
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`
}

func (f TenantFrom) check() error {
	switch {
	case f.Host != "" && (strings.Count(f.Host, "*") != 1 || !strings.HasPrefix(f.Host, "*.") || len(f.Host) < 4):
		return fmt.Errorf("serve.tenant_from.host %q: write it as *.example.com", f.Host)
	case f.Path != "" && (!strings.HasPrefix(f.Path, "/") || strings.Trim(f.Path, "/") == ""):
		return fmt.Errorf("serve.tenant_from.path %q: write it as /t", f.Path)
	case f.Path != "" && slices.Contains([]string{"rest", "portal", "tenants", "metrics", "healthz", "readyz"},
		strings.Split(f.Path, "/")[1]):
		return fmt.Errorf("serve.tenant_from.path %q: something else is served there", f.Path)
	case f.Column != "" && f.Host == "" && f.Path == "":
		return errors.New("serve.tenant_from.column: it is for names in a host or a path, and neither is read")
	case len(f.TrustedProxies) > 0 && f.Host == "":
		return errors.New("serve.tenant_from.trusted_proxies: they forward a host, and it is not read")
	}
	return nil
}

// check finds audiences and lookups that contradict each other.
func (a Auth) check() error {
	for i, one := range a.Issuers {
		none := slices.Contains(one.Audience, NoAudience)
		err := cmp.Or(
			wrong(none && len(one.Audience) > 1, "audience: none stands alone"),
			wrong(none && len(one.Clients) == 0, "audience: none needs clients: whose tokens, by their azp or client_id claim, "+
				"are meant"))
		if err != nil {
			return fmt.Errorf("auth.issuers[%d]: %w", i, err)
		}
	}
	return nil
}

func wrong(is bool, text string) error {
	if is {
		return errors.New(text)
	}
	return nil
}
