package mcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	sdkauth "github.com/modelcontextprotocol/go-sdk/auth"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/api"
	"github.com/moat-db/moat/auth"
)

// Path is where agents are served.
const Path = "/mcp"

// MetadataPath is where an agent's client reads who signs tokens for it (RFC 9728, 3.1).
const MetadataPath = "/.well-known/oauth-protected-resource" + Path

// Config configures a [Handler]. API, Verifier, Resource and Record are required.
type Config struct {
	API *api.Handler
	// Verifier accepts tokens for Resource, and no others: a token for the API is not one for
	// agents.
	Verifier *auth.Verifier
	// Resource is the address that clients reach the handler at, the audience of its tokens.
	Resource string
	// Issuers sign such tokens.
	Issuers []string
	// Origins are web pages that may call, beside those of Resource's own origin.
	Origins []string
	// Statements runs agents' SQL, on connections that are used once; nil means that agents
	// send none. See [ConfigurePool].
	Statements *moat.DB
	Limits     Limits
	// Record writes a call down where its tenant can read it, before it is answered.
	Record func(context.Context, Call) error
	// Version is told to clients.
	Version string
}

// Call is what one agent asked.
type Call struct {
	Tenant  moat.Tenant
	Subject string // of the token
	Tool    string
	Details string // the table and filters, or the statement
}

// Limits bound one call. The zero value has the defaults.
type Limits struct {
	Rows  int // 0 means 200
	Bytes int // of an answer; 0 means 256 KiB
	// Cost is the most that the planner may expect of a statement, in its own units; 0 means
	// 100,000, about a second.
	Cost float64
	// Timeout ends a statement; 0 means 5 s.
	Timeout time.Duration
}

// DefaultTimeout is that of a statement.
const DefaultTimeout = 5 * time.Second

func (l Limits) withDefaults() Limits {
	return Limits{Rows: cmp.Or(l.Rows, 200), Bytes: cmp.Or(l.Bytes, 256<<10), Cost: cmp.Or(l.Cost, 100_000),
		Timeout: cmp.Or(l.Timeout, DefaultTimeout)}
}

// maxBody is of a request: a statement, with room.
const maxBody = 64 << 10

// Handler serves [Path] and [MetadataPath]. It is safe for concurrent use.
type Handler struct {
	config  Config
	origin  string
	rest    http.Handler // the API, for callers who are verified
	schemas *sdk.SchemaCache
	handler http.Handler
}

// New returns a Handler. It does no I/O: [Check] says whether the database keeps tenants apart from
// what agents ask.
func New(config Config) (*Handler, error) {
	if config.API == nil || config.Verifier == nil || config.Record == nil {
		return nil, errors.New("mcp: API, Verifier and Record are required")
	}
	at, err := url.Parse(config.Resource)
	if err != nil || at.Host == "" || at.Path != Path {
		return nil, fmt.Errorf("mcp.resource %q: write the address that clients use, like https://api.example.com%s",
			config.Resource, Path)
	}
	config.Limits = config.Limits.withDefaults()
	h := &Handler{config: config, origin: at.Scheme + "://" + at.Host, rest: config.API.Verified(),
		schemas: sdk.NewSchemaCache()}
	verified := auth.Middleware(config.Verifier, auth.MiddlewareOptions{ErrorHandler: h.unauthorized})
	mux := http.NewServeMux()
	mux.Handle(MetadataPath, sdkauth.ProtectedResourceMetadataHandler(&oauthex.ProtectedResourceMetadata{
		Resource: config.Resource, AuthorizationServers: config.Issuers, BearerMethodsSupported: []string{"header"}}))
	mux.Handle(Path, verified(sdk.NewStreamableHTTPHandler(h.server, &sdk.StreamableHTTPOptions{
		// Nothing is kept between two requests: each brings its token, and any server may answer.
		Stateless: true, JSONResponse: true, MaxRequestBodyBytes: maxBody,
		// Behind a proxy the address is loopback and the name is not; the origin is checked below.
		DisableLocalhostProtection: true,
	})))
	h.handler = config.API.Observe(h.sameOrigin(mux), "mcp")
	return h, nil
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.handler.ServeHTTP(w, r) }

// sameOrigin refuses web pages of others: a browser on the inside would lend them its place.
func (h *Handler) sameOrigin(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, origin := range r.Header["Origin"] {
			if origin != h.origin && !slices.Contains(h.config.Origins, origin) {
				http.Error(w, "the origin is not allowed: see mcp.origins", http.StatusForbidden)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// unauthorized tells a client where it learns who signs tokens.
func (h *Handler) unauthorized(w http.ResponseWriter, r *http.Request, err error) {
	if challenge := w.Header().Get("WWW-Authenticate"); challenge != "" {
		w.Header().Set("WWW-Authenticate", fmt.Sprintf("%s, resource_metadata=%q", challenge, h.origin+MetadataPath))
	}
	auth.WriteError(w, r, err)
}
