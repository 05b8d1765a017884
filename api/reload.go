package api

import (
	"context"
	"fmt"
	"time"

	"github.com/moat-db/moat/api/internal/schema"
	"github.com/moat-db/moat/internal/serving"
)

// loadTimeout bounds reading the schema: a peer that went silent without ending its
// connection must stop nothing for ever.
const loadTimeout = time.Minute

// Reload reads the schema again. Requests continue with the old one until the new one is
// complete; when it cannot be read the old one stays.
func (h *Handler) Reload(ctx context.Context) error {
	h.reloading.Lock()
	defer h.reloading.Unlock()
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	view, err := h.config.Load(ctx)
	if err != nil {
		return fmt.Errorf("load schema: %w", err)
	}
	exposed, err := h.config.Door.Expose(view)
	if err != nil {
		return err
	}
	built, err := schema.Build(view, schema.Options{Schemas: h.config.Schemas, Exposure: exposed})
	if err != nil {
		return fmt.Errorf("build schema: %w", err)
	}
	next := &state{Schema: built, version: 1, plans: newPlans()}
	if next.check, err = h.config.Door.Check(view); err != nil {
		return err
	}
	if err := checkFunctions(view, h.config); err != nil {
		return err
	}
	if old := h.schema.Load(); old != nil {
		next.version = old.version + 1
	}
	h.loadBelow(view, next)
	h.schema.Store(next)
	h.config.Door.Flush()
	h.logSchema(next)
	return nil
}

func (h *Handler) logSchema(s *state) {
	log := h.config.Logger
	log.Info("schema loaded", "schemas", s.Schemas, "tables", len(s.Tables), "functions", len(s.Functions),
		"hidden", len(s.Hidden))
	for _, hidden := range s.Hidden {
		log.Warn("not exposed", "relation", hidden.Name.String(), "reason", hidden.Reason)
	}
	if t := s.check.Tenants; t != nil && !t.Checked {
		log.Warn("tenants are not checked: the application role cannot read the tenants table",
			"table", t.QName().String())
	}
}

// watch is what keeps the schema current.
func (h *Handler) watch() *serving.Watch {
	return &serving.Watch{Connect: h.config.Connect, Reload: h.Reload, Flush: h.config.Door.Flush,
		Every: h.config.PollInterval, Logger: h.config.Logger,
		Cause: func(err error) string { return describe(err).Code }}
}
