// Package config reads moat.yaml into a typed [Config]. Every key has a default
// and an unknown key is an error: a misspelt "shared" must not silently leave a
// table out.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/roles"
)

// DefaultFile is read from the working directory when no file is named.
const DefaultFile = "moat.yaml"

// Config is the whole of moat.yaml. Default returns the values of absent keys.
type Config struct {
	Tenant Tenant `yaml:"tenant"`
	Tables Tables `yaml:"tables"`
	Caller Caller `yaml:"caller"`
	Roles  Roles  `yaml:"roles"`
	Sealed Sealed `yaml:"sealed"`
	Citus  Citus  `yaml:"citus"`
	Auth   Auth   `yaml:"auth"`
	Serve  Serve  `yaml:"serve"`
	Proxy  Proxy  `yaml:"proxy"`
	Limits Limits `yaml:"limits"`
	Audit  Audit  `yaml:"audit"`
	Watch  Watch  `yaml:"watch"`
	// Protect holds the decisions that only a person can take.
	Protect Protect `yaml:"protect"`
	Portal  Portal  `yaml:"portal"`
	MCP     MCP     `yaml:"mcp"`
	Export  Export  `yaml:"export"`
}

// Export is what a customer is not given of its own rows: columns as schema.table.column.
// Archives, which restore, hold everything.
type Export struct {
	LeaveOut []string          `yaml:"leave_out"`
	Mask     map[string]string `yaml:"mask"` // column → null or hash
}

// Tenant is the tenant model; an empty field is inferred from the database.
type Tenant struct {
	Column  string `yaml:"column"`
	Type    string `yaml:"type"`
	Setting string `yaml:"setting"`
	// SubjectSetting, RoleSetting and ClaimsSetting hold the other facts of a scope;
	// empty means app.subject, app.role and request.jwt.claims.
	SubjectSetting string `yaml:"subject_setting"`
	RoleSetting    string `yaml:"role_setting"`
	ClaimsSetting  string `yaml:"claims_setting"`
	// IssuerSetting holds the issuer of the subject, where [Caller].Issuer asks for it; empty
	// means app.issuer.
	IssuerSetting string `yaml:"issuer_setting"`
	Table         string `yaml:"table"`
	Key           string `yaml:"key"`
	// Parent is the column of the tenants table with the tenant above; see [Tree].
	Parent string `yaml:"parent"`
	// SuspendedColumn is the column of the tenants table that, when true or not
	// null, suspends a tenant; empty means: suspended or suspended_at if present.
	SuspendedColumn string `yaml:"suspended_column"`
}

// Tables says which tables are looked at. Names are schema.table.
type Tables struct {
	Schemas []string `yaml:"schemas"`
	Shared  []string `yaml:"shared"`
	Ignore  []string `yaml:"ignore"`
	// What follows are the shapes of docs/explanation/tenancy.md.
	Tree       *Tree              `yaml:"tree"`
	Columns    map[string]string  `yaml:"columns"`     // table → its tenant column
	SharedRows map[string]*string `yaml:"shared_rows"` // table → owner of such rows, or null
	FromAbove  []string           `yaml:"from_above"`
	Members    map[string]Members `yaml:"members"`
	Parties    map[string]Parties `yaml:"parties"`
	Shares     map[string]Shares  `yaml:"shares"`
	OwnedBy    map[string]string  `yaml:"owned_by"` // table → column that refers to it
	Inside     map[string]Inside  `yaml:"inside"`
}

// Roles names the roles of docs/explanation/roles.md.
type Roles struct {
	Owner       string `yaml:"owner"`
	Application string `yaml:"application"`
	Tree        string `yaml:"tree"`
	Operator    string `yaml:"operator"`
	Definer     string `yaml:"definer"`
	// Migrator runs the migrations. Empty, or any role but the operator, is one that
	// policies bind.
	Migrator string `yaml:"migrator"`
}

// Sealed turns the signed tenant setting on.
type Sealed struct {
	Enabled bool   `yaml:"enabled"`
	KeyFile string `yaml:"key_file"`
	// AnyConnection signs for every connection, for a pooler that hides the server process.
	AnyConnection bool `yaml:"any_connection"`
}

// Citus is about tables that are spread over several servers.
type Citus struct {
	// Distribute says that the tables are to be distributed: protect writes policies that
	// shards can hold, and prints the statements that distribute.
	Distribute bool `yaml:"distribute"`
	// Binding is how the tenant is bound: detect (the default) looks, set_tenant binds so
	// that other servers see it, plain does not.
	Binding string `yaml:"binding"`
}

// Auth lists the issuers whose tokens are accepted.
type Auth struct {
	Issuers []Issuer `yaml:"issuers"`
}

// Issuer is one issuer. Exactly one of JWKSURL, JWKSFile, PEMFile, SecretFile,
// SecretEnv and Discovery gives its keys.
type Issuer struct {
	Issuer       string        `yaml:"issuer"`
	Audience     Strings       `yaml:"audience"` // none: tokens without one
	Clients      Strings       `yaml:"clients"`
	JWKSURL      string        `yaml:"jwks_url"`
	JWKSFile     string        `yaml:"jwks_file"`
	PEMFile      string        `yaml:"pem_file"`
	SecretFile   string        `yaml:"secret_file"`
	SecretEnv    string        `yaml:"secret_env"`
	Discovery    bool          `yaml:"discovery"`
	Algorithms   []string      `yaml:"algorithms"`
	TenantClaim  string        `yaml:"tenant_claim"`
	RoleClaim    string        `yaml:"role_claim"`
	SubjectClaim string        `yaml:"subject_claim"`
	Leeway       time.Duration `yaml:"leeway"`
	// Tenants are those that the issuer speaks for. TenantLookup is the column of the
	// tenants table with the issuer's names of tenants, where its tokens have those.
	Tenants      Speaks `yaml:"tenants"`
	TenantLookup string `yaml:"tenant_lookup"`
	// SignIn lets people sign in to the portal at the issuer; nil means that they cannot.
	SignIn *SignIn `yaml:"sign_in"`
}

// SignIn is what the portal is to an issuer's OpenID provider.
type SignIn struct {
	ClientID string `yaml:"client_id"`
	// ClientSecretEnv is the environment variable with its secret; empty: a public client.
	ClientSecretEnv string   `yaml:"client_secret_env"`
	Name            string   `yaml:"name"` // for people
	Scopes          Strings  `yaml:"scopes"`
	Hosts           []string `yaml:"hosts"` // of the portal, where it is offered; none: all
}

// Serve configures moat serve.
type Serve struct {
	Address          string        `yaml:"address"`
	StatementTimeout time.Duration `yaml:"statement_timeout"`
	// DrainDelay is how long requests are still taken after SIGTERM, while /readyz says 503.
	DrainDelay   time.Duration `yaml:"drain_delay"`
	MaxRows      int           `yaml:"max_rows"`
	MaxBodyBytes int64         `yaml:"max_body_bytes"`
	PoolSize     int32         `yaml:"pool_size"`
	// ReplicaURLs are hot standbys that reads go to while they are at most MaxLag behind.
	ReplicaURLs        []string      `yaml:"replica_urls"`
	MaxLag             time.Duration `yaml:"replica_max_lag"`
	AllowWithoutTenant bool          `yaml:"allow_without_tenant"`
	AllowUnfiltered    bool          `yaml:"allow_unfiltered_writes"`
	AllowExplain       bool          `yaml:"allow_explain"`
	AllowAggregates    bool          `yaml:"allow_aggregates"`
	AllowRollback      bool          `yaml:"allow_tx_rollback"`
	Schemas            []string      `yaml:"schemas"`
	// Expose narrows what clients reach, by table or view.
	Expose      map[string]Expose `yaml:"expose"`
	CORSOrigins Origins           `yaml:"cors_origins"`
	TLSCertFile string            `yaml:"tls_cert_file"`
	TLSKeyFile  string            `yaml:"tls_key_file"`
	// RequestSettings lets functions read request.method, request.path and
	// request.headers; PreRequest (schema.function) runs before each statement.
	RequestSettings bool       `yaml:"request_settings"`
	PreRequest      string     `yaml:"pre_request"`
	TenantFrom      TenantFrom `yaml:"tenant_from"`
	// SearchPath are schemas in which functions find what they name without a schema, and
	// filters their operators;
	// RootSpec (schema.function) makes the description of the API.
	SearchPath []string `yaml:"extra_search_path"`
	RootSpec   string   `yaml:"root_spec"`
	// BriefErrors leaves details and hint out of errors.
	BriefErrors bool `yaml:"brief_errors"`
	// AliasesOnly names the filters of an embed by its alias only.
	AliasesOnly bool `yaml:"aliases_only"`
	// Compression of answers, for clients that ask for it.
	Compression bool `yaml:"compression"`
	// ServerTiming answers with the header Server-Timing.
	ServerTiming bool `yaml:"server_timing"`
	// MetricsAddress, when set, serves /metrics there and not at Address.
	MetricsAddress string  `yaml:"metrics_address"`
	Tracing        Tracing `yaml:"tracing"`
	// MetricsTenants is how many tenants get a label of their own in the metrics; zero
	// means none.
	MetricsTenants int `yaml:"metrics_tenants"`
	// Membership is a key of earlier versions, kept to say what has taken its place.
	Membership any `yaml:"membership"`
}

// Expose is what clients reach of a table or view at most: what the application role may do
// decides within it.
type Expose struct {
	Access string   `yaml:"access"` // hidden or read; empty: as the role may
	Hide   []string `yaml:"hide"`   // columns that nobody sees
	Read   []string `yaml:"read"`   // columns that nobody writes
	// Write are columns of a table that says who the tenants, or their members, are.
	Write []string `yaml:"write"`
}

// Tracing says where spans go: an OTLP collector that speaks HTTP. OpenTelemetry's
// environment variables win, and say everything else.
type Tracing struct {
	Endpoint string `yaml:"endpoint"`
}

// Portal configures the pages at /portal/.
type Portal struct {
	Disabled bool `yaml:"disabled"`
	// SecureCookies marks cookies Secure behind a proxy that ends TLS.
	SecureCookies bool `yaml:"secure_cookies"`
	// SessionKeyFile or SessionKeyEnv, the name of an environment variable, holds the secret
	// that encrypts sessions; several servers need the same.
	SessionKeyFile string `yaml:"session_key_file"`
	SessionKeyEnv  string `yaml:"session_key_env"`
	// Brand is by host. Where it is given, the portal is served at these hosts only.
	Brand map[string]Brand `yaml:"brand"`
	// Locale writes numbers and dates where a brand says none.
	Locale string `yaml:"locale"`
	// Money says which columns hold money: schema.table.column → a currency (EUR), or the
	// column of the same table with it.
	Money map[string]string `yaml:"money"`
	// People lets admins of a tenant manage its members; nil means that nobody does.
	People *PortalPeople `yaml:"people"`
	// Tables say how tables are shown, by schema.table.
	Tables map[string]PortalTable `yaml:"tables"`
	// Figures are what an agency sees of each client.
	Figures []Figure `yaml:"figures"`
	// PasteTokens lets clients sign in with a pasted token of auth.issuers.
	PasteTokens bool `yaml:"paste_tokens"`
	// Operators lists the issuers of operators' tokens; none means no console. They
	// must be others than those of auth.issuers.
	Operators []Issuer `yaml:"operator_issuers"`
	// OperatorRole is the role claim an operator's token must have.
	OperatorRole string `yaml:"operator_role"`
}

// PortalLook is how a table or a column is shown in the portal.
type PortalLook struct {
	Hidden   bool   `yaml:"hidden"`
	ReadOnly bool   `yaml:"read_only"`
	Name     string `yaml:"name"`
	Order    int    `yaml:"order"`
}

// PortalPeople says which roles manage the members of their tenant, the highest first.
type PortalPeople struct {
	Admins []string `yaml:"admins"`
}

// PortalTable is how a table is shown in the portal.
type PortalTable struct {
	PortalLook `yaml:",inline"`
	Singular   string                `yaml:"singular"`
	Columns    map[string]PortalLook `yaml:"columns"`
	Views      map[string]string     `yaml:"views"` // a name → the query of the address
}

// MCP serves agents at /mcp. Zero limits mean the defaults of package internal/mcp.
type MCP struct {
	Enabled bool `yaml:"enabled"`
	// Resource is the address that agents use, and the audience that their tokens must have.
	Resource string  `yaml:"resource"`
	Origins  Origins `yaml:"origins"` // web pages that may call, beside its own
	// SQL lets agents run one read-only statement.
	SQL              bool          `yaml:"sql"`
	MaxRows          int           `yaml:"max_rows"`
	MaxBytes         int           `yaml:"max_bytes"`
	MaxCost          float64       `yaml:"max_cost"`
	StatementTimeout time.Duration `yaml:"statement_timeout"`
	Connections      int32         `yaml:"connections"` // of statements; zero means 2
}

// Proxy is moat proxy: PostgreSQL's protocol with a token as password. Its certificate is
// serve's.
type Proxy struct {
	Address string `yaml:"address"`
	// PlainPasswords takes passwords without TLS from elsewhere than loopback.
	PlainPasswords bool `yaml:"plain_passwords"`
	// Connections to the server in all, and of one tenant; zero means 100, and half of
	// all. Wait is how long a client waits for one; zero means 5 s.
	Connections       int           `yaml:"connections"`
	TenantConnections int           `yaml:"tenant_connections"`
	Wait              time.Duration `yaml:"wait"`
	// Services are the subjects of tokens without a tenant that open a connection for all
	// tenants; on it each transaction names its own by a token of that tenant.
	Services []string `yaml:"services"`
	// MetricsAddress serves /metrics; empty: nowhere. MetricsTenants is how many tenants get
	// a label of their own; zero means none.
	MetricsAddress string `yaml:"metrics_address"`
	MetricsTenants int    `yaml:"metrics_tenants"`
}

// Limits are per tenant. Zero means no limit of that kind, except for Burst, where it
// means one second's requests, and BesideOthers and Wait, where it means the default:
// waiting is always bounded.
type Limits struct {
	RequestsPerSecond float64 `yaml:"requests_per_second"`
	Burst             int     `yaml:"burst"`
	Concurrent        int     `yaml:"concurrent"`
	// BesideOthers is how many statements of heavy tenants run at a time, together, while
	// others are about, and half of how many of busy ones do; zero means an eighth of the
	// pool.
	BesideOthers int `yaml:"beside_others"`
	// KeyRequestsPerSecond is the rate of each API key, beside its tenant's.
	KeyRequestsPerSecond float64       `yaml:"key_requests_per_second"`
	Wait                 time.Duration `yaml:"wait"`
	ResponseBytes        int64         `yaml:"response_bytes"`
	// TenantHeldBytes and HeldBytes bound what bodies and answers of a tenant, and of all,
	// hold of the memory while clients send and read them.
	TenantHeldBytes int64 `yaml:"tenant_held_bytes"`
	HeldBytes       int64 `yaml:"held_bytes"`
	Query           Query `yaml:"query"`
}

// Query bounds what one query string may ask for. Zero means the default.
type Query struct {
	Bytes   int `yaml:"bytes"`
	Depth   int `yaml:"depth"`
	Embeds  int `yaml:"embeds"`
	Items   int `yaml:"items"`
	Filters int `yaml:"filters"`
	Values  int `yaml:"values"`
}

// Audit configures moat audit.
type Audit struct {
	FailOn   string `yaml:"fail_on"`
	Baseline string `yaml:"baseline"`
}

// Watch configures moat watch, and with a state moat serve watches too.
type Watch struct {
	// State are the files of accepted states.
	State Strings `yaml:"state"`
	// Every is the time between two looks; zero means 30 s.
	Every time.Duration `yaml:"every"`
}

// Protect holds decisions that change what an application sees.
type Protect struct {
	// GlobalUniques lists unique constraints (schema.table.constraint) that may be
	// replaced by ones that start with the tenant column.
	GlobalUniques []string `yaml:"tenant_led_uniques"`
	// Paths picks, for a table with several ways to a tenant, the constraint to
	// follow: schema.table → constraint name.
	Paths map[string]string `yaml:"paths"`
	// LeaveOpen are tables, there or to come, that the guard does not close.
	LeaveOpen []string `yaml:"leave_open"`
	// KeepForeignKeys keeps the single-column foreign keys beside the composite ones.
	KeepForeignKeys bool `yaml:"keep_foreign_keys"`
	// NewOwner moves tables whose owner is the application's login to roles.owner.
	NewOwner bool `yaml:"change_owner"`
	// DropIndexes drops the indexes that one led by the tenant column replaces.
	DropIndexes bool `yaml:"drop_replaced_indexes"`
	// What follows answers questions that group enforce waits for; see protect.Config.
	Hidden          []string `yaml:"hidden_rows"`
	Crossing        []string `yaml:"crossing_keys"`
	OneTenant       []string `yaml:"one_tenant"`
	Narrowed        []string `yaml:"narrowed"`
	Opened          []string `yaml:"opened"`
	Triggers        []string `yaml:"triggers"`
	Retired         []string `yaml:"retired_roles"`
	ReplaceDefaults bool     `yaml:"replace_defaults"`
	LeaveRoles      bool     `yaml:"leave_roles"`
	WritableMembers []string `yaml:"writable_memberships"`
}

// Strings is a YAML string or list of strings.
type Strings []string

// UnmarshalYAML accepts one string or a list.
func (s *Strings) UnmarshalYAML(unmarshal func(any) error) error {
	var one string
	if unmarshal(&one) == nil {
		*s = Strings{one}
		return nil
	}
	var many []string
	if err := unmarshal(&many); err != nil {
		return err
	}
	*s = many
	return nil
}

// Origins is a list of origins. Inside braces, YAML reads the colon before a port as one
// behind a key.
type Origins []string

// UnmarshalYAML takes such a key and its value together again.
func (o *Origins) UnmarshalYAML(unmarshal func(any) error) error {
	var all []any
	if err := unmarshal(&all); err != nil {
		return err
	}
	for _, one := range all {
		if pair, ok := one.(map[string]any); ok && len(pair) == 1 {
			for key, value := range pair {
				one = fmt.Sprintf("%s:%v", key, value)
			}
		}
		*o = append(*o, fmt.Sprint(one))
	}
	return nil
}

// Default returns the configuration of an empty file.
func Default() Config {
	return Config{
		Tenant: Tenant{SubjectSetting: moat.DefaultSubjectSetting, RoleSetting: moat.DefaultRoleSetting,
			ClaimsSetting: moat.DefaultClaimsSetting},
		Roles: Roles{Owner: roles.Owner, Application: roles.Application, Tree: roles.Tree, Operator: roles.Operator,
			Definer: roles.Definer},
		Sealed: Sealed{KeyFile: "/etc/moat/seal.key"},
		Serve: Serve{Address: "127.0.0.1:8080", StatementTimeout: 5 * time.Second, DrainDelay: 3 * time.Second, MaxRows: 1000,
			MaxBodyBytes: 1 << 20, Compression: true},
		Proxy: Proxy{Address: "127.0.0.1:6432"},
		Limits: Limits{RequestsPerSecond: 100, KeyRequestsPerSecond: 50, Concurrent: 20,
			Wait: 2 * time.Second, ResponseBytes: 16 << 20},
		Audit: Audit{FailOn: "medium", Baseline: "moat-baseline.yaml"},
	}
}

// Load reads the named file, or moat.yaml where name is empty and that file
// exists. A named file that is missing is an error; so is an unknown key.
func Load(name string) (Config, error) {
	explicit := name != ""
	if !explicit {
		name = DefaultFile
	}
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && !explicit {
		return Default(), nil
	}
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	c, err := Parse(text)
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// Parse reads one YAML document over the defaults and checks it.
func Parse(text []byte) (Config, error) {
	c := Default()
	d := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict(), yaml.DisallowUnknownField())
	err := d.Decode(&c)
	if errors.Is(err, io.EOF) {
		return Default(), nil // nothing but comments; the decoder has emptied c
	}
	if err != nil {
		return Config{}, fmt.Errorf("parse configuration: %w", err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return Config{}, errors.New("parse configuration: more than one document")
	}
	return c, c.check()
}
