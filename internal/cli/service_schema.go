package cli

import (
	"context"
	"sync/atomic"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/policy"
	"github.com/moat-db/moat/tenancy"
)

// schemaSource remembers what the API loaded last, so that the portal shows the same
// schema without reading it for every page.
type schemaSource struct {
	load   func(context.Context) (*policy.View, error)
	loaded atomic.Pointer[policy.View]
}

// Load reads the catalog anew.
func (s *schemaSource) Load(ctx context.Context) (*policy.View, error) {
	read, err := s.load(ctx)
	if err == nil {
		s.loaded.Store(read)
	}
	return read, err
}

// Last returns what was loaded last.
func (s *schemaSource) Last(ctx context.Context) (*policy.View, error) {
	if read := s.loaded.Load(); read != nil {
		return read, nil
	}
	return s.Load(ctx)
}

// schemaLoader reads the catalog as the application role, over a connection of its
// own: what that role cannot see it cannot serve.
func schemaLoader(appURL string, o tenancy.Options) func(context.Context) (*policy.View, error) {
	return func(ctx context.Context) (*policy.View, error) {
		conn, err := moat.Connect(ctx, appURL)
		if err != nil {
			return nil, connectError(err)
		}
		defer conn.Close(context.WithoutCancel(ctx))
		return tenancy.Read(ctx, conn, o)
	}
}
