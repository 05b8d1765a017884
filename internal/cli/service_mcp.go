package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/config"
	"github.com/moat-db/moat/internal/ledger"
	"github.com/moat-db/moat/internal/mcp"
)

// openMCP opens the door for agents, or says why the database would not keep tenants apart from
// what they ask.
func (s *service) openMCP(ctx context.Context) (*mcp.Handler, error) {
	if !s.config.Sealed.Enabled {
		return nil, withHint(errors.New("mcp: the tenant is not sealed"),
			"agents run texts that others wrote: moat seal, then sealed.enabled: true")
	}
	if s.config.Serve.AllowWithoutTenant {
		return nil, errors.New("mcp: serve.allow_without_tenant lets in tokens whose identity does not reach the database")
	}
	if err := s.checkExposed(); err != nil {
		return nil, err
	}
	read, err := s.schema.Last(ctx)
	if err != nil {
		return nil, err
	}
	if err := mcp.Check(read, s.flaws); err != nil {
		return nil, fmt.Errorf("mcp: %w", err)
	}
	c, err := s.mcpConfig(ctx)
	if err != nil {
		return nil, err
	}
	if err := mcp.Reaches(ctx, s.db, exampleTenant(s.config.Tenant.Type)); err != nil {
		return nil, withHint(fmt.Errorf("mcp: %w", err), "moat seal key status, and sealed.key_file")
	}
	return mcp.New(c)
}

// checkExposed refuses SQL of agents where something is hidden from the API alone: SQL reads what
// the role may.
func (s *service) checkExposed() error {
	for name, e := range s.config.Serve.Expose {
		if s.config.MCP.SQL && (e.Access == "hidden" || len(e.Hide) > 0) {
			return withHint(fmt.Errorf("mcp.sql: serve.expose hides %s from the API, and SQL would show it", name),
				"REVOKE it from the application role instead, or set mcp.sql: false")
		}
	}
	return nil
}

func (s *service) mcpConfig(ctx context.Context) (c mcp.Config, err error) {
	m := s.config.MCP
	c = mcp.Config{API: s.api, Resource: m.Resource, Origins: m.Origins, Version: Version(),
		Limits: mcp.Limits{Rows: m.MaxRows, Bytes: m.MaxBytes, Cost: m.MaxCost, Timeout: m.StatementTimeout}}
	issuers := append([]config.Issuer(nil), s.config.Auth.Issuers...)
	for i := range issuers {
		c.Issuers = append(c.Issuers, issuers[i].Issuer)
		issuers[i].Audience = config.Strings{m.Resource}
	}
	if c.Verifier, err = s.verifierOf(ctx, issuers, nil); err != nil {
		return c, err
	}
	if c.Record, err = s.openRecord(ctx); err != nil {
		return c, err
	}
	if m.SQL {
		c.Statements, err = s.openStatements(ctx)
	}
	return c, err
}

// openStatements opens the connections of agents' statements, each of which is used once.
func (s *service) openStatements(ctx context.Context) (*moat.DB, error) {
	o, err := bindOptions(s.config)
	if err != nil {
		return nil, err
	}
	o.MaxConns, o.ConfigurePool = cmp.Or(s.config.MCP.Connections, 2), mcp.ConfigurePool
	o.StatementTimeout = cmp.Or(s.config.MCP.StatementTimeout, mcp.DefaultTimeout)
	db, err := moat.Open(ctx, s.appURL, o)
	if err != nil {
		return nil, err
	}
	s.onClose(db.Close)
	return db, nil
}

// openRecord opens the operator log, in which each tenant finds what agents asked for it.
func (s *service) openRecord(ctx context.Context) (func(context.Context, mcp.Call) error, error) {
	url := cmp.Or(s.mcpURL, s.operatorURL)
	const hint = "as an administrator: moat tenant setup, then CREATE ROLE moat_mcp LOGIN BYPASSRLS; " +
		"GRANT USAGE ON SCHEMA moat TO moat_mcp; GRANT INSERT ON moat.operator_log TO moat_mcp; " +
		"and give its connection string as MOAT_MCP_URL"
	if url == "" {
		return nil, withHint(errors.New("mcp: nothing says where calls are written down for their tenants"), "%s", hint)
	}
	pool, err := openPool(ctx, url)
	if err != nil {
		return nil, err
	}
	s.onClose(pool.Close)
	if !ledger.Ready(ctx, pool) {
		return nil, withHint(errors.New("mcp: MOAT_MCP_URL may not write to moat.operator_log"), "%s", hint)
	}
	return func(ctx context.Context, call mcp.Call) error {
		view, err := s.schema.Last(ctx)
		if err != nil {
			return err
		}
		who := cmp.Or(call.Subject, "a token without a subject")
		return ledger.Record(ctx, pool, view, who, "agent: "+call.Tool, string(call.Tenant), "asked by MCP", call.Details)
	}, nil
}

// exampleTenant is a tenant that no table need have.
func exampleTenant(kind string) moat.Tenant {
	if moat.TenantType(kind) == moat.UUID || kind == "" {
		return "00000000-0000-4000-8000-000000000000"
	}
	return "1"
}
