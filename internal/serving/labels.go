package serving

import "sync"

// TenantLabels bound the number of metrics: so many tenants have a label of their own.
type TenantLabels struct {
	// Most is how many; zero means none.
	Most int

	mu    sync.Mutex
	known map[string]bool
}

// Of is the label of a tenant: itself for the first Most, "other" for the rest, and "" where
// no tenant has one.
func (l *TenantLabels) Of(tenant string) string {
	if l.Most <= 0 || tenant == "" {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.known[tenant] {
		if len(l.known) >= l.Most {
			return "other"
		}
		if l.known == nil {
			l.known = map[string]bool{}
		}
		l.known[tenant] = true
	}
	return tenant
}
