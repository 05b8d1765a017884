package moatriver

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/moat-db/moat"
)

// metadataKey is where a job's metadata name its tenant; [Policies] reads it too.
const metadataKey = "moat_tenant"

// Middleware belongs into river.Config.Middleware of clients that insert jobs and of those
// that work them. The zero value works.
type Middleware struct {
	river.MiddlewareDefaults
	// Scope is what jobs run as; its Tenant is filled in. Zero means the tenant alone.
	Scope moat.Scope
}

var (
	_ rivertype.JobInsertMiddleware = (*Middleware)(nil)
	_ rivertype.WorkerMiddleware    = (*Middleware)(nil)
)

// InsertMany gives jobs the tenant of ctx. Without one they are left as they are, which
// the policies permit to no tenant's transaction.
func (m *Middleware) InsertMany(ctx context.Context, jobs []*rivertype.JobInsertParams,
	insert func(context.Context) ([]*rivertype.JobInsertResult, error)) ([]*rivertype.JobInsertResult, error) {
	if scope, ok := moat.ScopeFrom(ctx); ok {
		for _, job := range jobs {
			if err := own(job, scope.Tenant); err != nil {
				return nil, fmt.Errorf("tenant of a job of kind %s: %w", job.Kind, err)
			}
		}
	}
	return insert(ctx)
}

// own names a job's tenant and makes what it is unique by the tenant's own.
func own(job *rivertype.JobInsertParams, tenant moat.Tenant) error {
	if tenant == "" {
		return moat.ErrNoTenant
	}
	metadata := map[string]json.RawMessage{}
	if len(job.Metadata) > 0 {
		if err := json.Unmarshal(job.Metadata, &metadata); err != nil {
			return fmt.Errorf("read metadata: %w", err)
		}
	}
	var err error
	if metadata[metadataKey], err = json.Marshal(tenant); err != nil {
		return err
	}
	if len(job.UniqueKey) > 0 {
		key := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s", tenant, job.UniqueKey))
		job.UniqueKey = key[:]
	}
	job.Metadata, err = json.Marshal(metadata)
	return err
}

// Work runs a job in its tenant's scope. A scope that ctx has from elsewhere is not the
// job's: without a tenant the job has none.
func (m *Middleware) Work(ctx context.Context, job *rivertype.JobRow, work func(context.Context) error) error {
	var metadata map[string]json.RawMessage
	if err := json.Unmarshal(job.Metadata, &metadata); err != nil {
		return fmt.Errorf("read metadata: %w", err)
	}
	scope := m.Scope
	scope.Tenant = ""
	if named := metadata[metadataKey]; named != nil {
		if err := json.Unmarshal(named, &scope.Tenant); err != nil {
			return fmt.Errorf("read the job's tenant: %w", err)
		}
	}
	return work(moat.WithScope(ctx, scope))
}
