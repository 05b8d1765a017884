package cli

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/tenancy"
)

// schemaSource remembers what the API loaded last, so that the portal shows the same
// schema without reading it for every page.
type schemaSource struct {
	load   func(context.Context) (*catalog.Snapshot, *catalog.Model, error)
	loaded atomic.Pointer[loadedSchema]
}

type loadedSchema struct {
	snapshot *catalog.Snapshot
	model    *catalog.Model
}

// Load reads the catalog anew.
func (s *schemaSource) Load(ctx context.Context) (*catalog.Snapshot, *catalog.Model, error) {
	snapshot, model, err := s.load(ctx)
	if err == nil {
		s.loaded.Store(&loadedSchema{snapshot, model})
	}
	return snapshot, model, err
}

// Last returns what was loaded last.
func (s *schemaSource) Last(ctx context.Context) (*catalog.Snapshot, *catalog.Model, error) {
	if l := s.loaded.Load(); l != nil {
		return l.snapshot, l.model, nil
	}
	return s.Load(ctx)
}

// snapshotLoader reads the catalog as the application role, over a connection of its
// own: what that role cannot see it cannot serve.
func snapshotLoader(appURL string, o tenancy.Options) func(context.Context) (*catalog.Snapshot, *catalog.Model, error) {
	return func(ctx context.Context) (*catalog.Snapshot, *catalog.Model, error) {
		conn, err := pgx.Connect(ctx, appURL)
		if err != nil {
			return nil, nil, connectError(err)
		}
		defer conn.Close(context.WithoutCancel(ctx))
		view, err := tenancy.Read(ctx, conn, o)
		if err != nil {
			return nil, nil, err
		}
		return view.Snapshot, view.Model, nil
	}
}
