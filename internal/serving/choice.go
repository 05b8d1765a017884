package serving

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/auth"
)

// ChoiceHeader names the tenant that a request is for.
const ChoiceHeader = "Moat-Tenant"

// Choice is one way in which a request says which tenant it is for.
type Choice struct {
	Tenant string // as it is, or
	Name   string // by [Admission.Names]
	// Key says that an API key beside the token names it, which must be for the same.
	Key bool
}

// From says where a request may choose its tenant, beside the header. The zero From reads
// nothing else.
type From struct {
	// Host is a host with * in place of the tenant, like *.example.com; "" for none.
	Host string
	// Path is what comes before the tenant in a path, like /t; "" for none.
	Path string
	// Proxies may say by X-Forwarded-Host which host they were asked for.
	Proxies []netip.Prefix
	// Named says that host and path hold names, and not the tenants themselves.
	Named bool
}

type pathKey struct{}

// Strip takes the tenant out of the path of requests to next, where it is in the path.
func (f From) Strip(next http.Handler) http.Handler {
	if f.Path == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.Path, strings.TrimSuffix(f.Path, "/")+"/")
		name, path, more := strings.Cut(rest, "/")
		if !ok || !more || name == "" {
			next.ServeHTTP(w, r)
			return
		}
		inner := r.Clone(context.WithValue(r.Context(), pathKey{}, name))
		inner.URL.Path, inner.URL.RawPath = "/"+path, ""
		next.ServeHTTP(w, inner)
	})
}

// Choices are the tenants that a request chooses, at most one a way.
func (f From) Choices(r *http.Request) ([]Choice, error) {
	var all []Choice
	switch headers := r.Header[ChoiceHeader]; len(headers) {
	case 0:
	case 1:
		all = append(all, Choice{Tenant: headers[0]})
	default:
		return nil, ErrChoices
	}
	if id, ok := auth.BesideFromContext(r.Context()); ok {
		all = append(all, Choice{Tenant: string(id.Tenant), Key: true})
	}
	if name, ok := r.Context().Value(pathKey{}).(string); ok {
		all = append(all, f.choice(name))
	}
	if f.Host != "" {
		if name := between(f.host(r), f.Host); name != "" {
			all = append(all, f.choice(name))
		}
	}
	return all, nil
}

func (f From) choice(name string) Choice {
	if f.Named {
		return Choice{Name: name}
	}
	return Choice{Tenant: name}
}

// host is the host that the client asked for.
func (f From) host(r *http.Request) string {
	host := r.Host
	if forwarded := r.Header["X-Forwarded-Host"]; len(forwarded) == 1 && f.trusts(r.RemoteAddr) {
		host = forwarded[0]
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

func (f From) trusts(remote string) bool {
	at, err := netip.ParseAddrPort(remote)
	return err == nil && slices.ContainsFunc(f.Proxies, func(p netip.Prefix) bool { return p.Contains(at.Addr().Unmap()) })
}

// between is what stands for the * of a pattern; "" where the host is another.
func between(host, pattern string) string {
	before, after, _ := strings.Cut(strings.ToLower(pattern), "*")
	name, ok := strings.CutPrefix(host, before)
	name, fits := strings.CutSuffix(name, after)
	if !ok || !fits || strings.Contains(name, ".") {
		return ""
	}
	return name
}

// Speak returns who asks: what a verified token says, narrowed to the tenant that the
// request chooses. A choice can only be the token's tenant, one below it, or, for a token
// without a tenant, one that its subject is a member of; the guard has yet to say so of the
// last. The error is [ErrChoices], [ErrNoMembers] or [ErrUnknownTenant]. A caller without a
// tenant has chosen none.
func (d *Door) Speak(ctx context.Context, c *Check, id auth.Identity, choices []Choice) (Caller, error) {
	who := Caller{Scope: id.Scope(), External: id.External}
	if id.Key != nil {
		who.Maker, who.Unasked = id.Key.Maker, id.Key.Maker == ""
		if c.wall { // policies know the maker as a member, and nobody else
			who.Subject, who.Unasked = id.Key.Maker, false
		}
	}
	var err error
	if id.External != "" {
		if who.Tenant, err = d.find(ctx, c, named{c.issuers[id.Issuer].Lookup, id.External}); err != nil {
			return who, err
		}
	}
	chosen, err := d.chosen(ctx, c, choices)
	switch {
	case err != nil:
		return who, err
	case chosen == "", chosen == who.Tenant:
		return who, nil
	case who.Tenant != "" && slices.ContainsFunc(choices, func(one Choice) bool { return one.Key }):
		return who, ErrChoices
	case who.Tenant == "" && c.members:
		who.Tenant, who.Chosen = chosen, true
	case who.Tenant == "":
		return who, ErrNoMembers
	case c.tree.sql != "" && id.Key == nil: // a key is for its own tenant
		who.Tenant, who.Above = chosen, who.Tenant
	default:
		return who, ErrUnknownTenant
	}
	return who, nil
}

// chosen is the one tenant that all choices mean; "" where there are none.
func (d *Door) chosen(ctx context.Context, c *Check, choices []Choice) (t moat.Tenant, err error) {
	for _, one := range choices {
		next := moat.Tenant(one.Tenant)
		if one.Name != "" {
			if next, err = d.find(ctx, c, named{c.names, one.Name}); err != nil {
				return "", err
			}
		}
		if next = c.canonical(next); c.kind.Validate(next) != nil {
			return "", ErrUnknownTenant
		}
		if t != "" && t != next {
			return "", ErrChoices
		}
		t = next
	}
	return t, nil
}

// Lane is whose requests those of an identity are, as far as that is known without asking:
// the tenant's, or the caller's own.
func (d *Door) Lane(c *Check, id auth.Identity, choices []Choice) string {
	switch {
	case id.Tenant != "":
		return string(id.Tenant)
	case id.External != "":
		if t, ok := d.recall(named{c.issuers[id.Issuer].Lookup, id.External}); ok {
			return string(t)
		}
	case len(choices) == 1:
		t := moat.Tenant(choices[0].Tenant)
		if choices[0].Name != "" {
			t, _ = d.recall(named{c.names, choices[0].Name})
		}
		if known, ok := d.answer(Caller{Scope: moat.Scope{Tenant: t, Subject: id.Subject, Issuer: id.Issuer}}); ok &&
			known.Member {
			return string(t)
		}
	case len(choices) == 0 && !c.members:
		return ""
	}
	return callers + id.Issuer + callers + id.Subject
}
