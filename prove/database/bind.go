package database

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/moat-db/moat"
	"github.com/moat-db/moat/internal/sqltext"
)

// binder writes the statement that binds a transaction to a tenant, as text.
type binder struct {
	sealer   moat.Sealer
	setting  string
	claim    []string // where in the setting's JSON the tenant stands; empty: it is the setting
	settings map[string]string
	subject  string // the settings of the scope's facts
	issuer   string
	role     string
	backend  uint32
	// values are settings that differ from tenant to tenant: who is a member.
	values map[string]map[string]string
	// turns name the tenant by a token, where the session leads through moat proxy.
	turns *turns
	// spread sets so that the other servers of Citus see it.
	spread bool
}

// sets writes a statement that sets settings, names and values, for the transaction. Citus
// passes on what SET LOCAL sets, together with the whole string that it stands in: here that
// of EXECUTE.
func (b binder) sets(pairs ...string) []string {
	var calls []string
	body := "BEGIN PERFORM set_config('citus.propagate_set_commands', 'local', true);"
	for pair := range slices.Chunk(pairs, 2) {
		calls = append(calls, "set_config("+lit(pair[0])+", "+lit(pair[1])+", true)")
		body += " EXECUTE " + lit("SET LOCAL "+pair[0]+" = "+lit(pair[1])) + ";"
	}
	if b.spread {
		return []string{"DO " + sqltext.Dollar(body+" PERFORM set_config('citus.propagate_set_commands', 'none', true); END")}
	}
	return []string{"SELECT " + strings.Join(calls, ", ")}
}

// to binds the tenant, with the facts that go with it.
func (b binder) to(ctx context.Context, tenant string) ([]string, error) {
	return b.scope(ctx, moat.Scope{Tenant: moat.Tenant(tenant), Subject: b.value(tenant, b.subject),
		Issuer: b.value(tenant, b.issuer), Role: b.value(tenant, b.role)})
}

// scope binds a scope: the tenant alone where it is a plain setting. The statement of a
// sealer is printed with its arguments in place; its token is short-lived and bound to this
// connection.
func (b binder) scope(ctx context.Context, s moat.Scope) ([]string, error) {
	switch {
	case b.turns != nil:
		return append([]string{b.turns.name(s)}, b.others(string(s.Tenant))...), nil
	case b.sealer != nil:
		return b.seal(ctx, s)
	}
	return b.plain(string(s.Tenant)), nil
}

// bare says whether any text is taken for a tenant, without a proof.
func (b binder) bare() bool { return b.sealer == nil && b.turns == nil }

// value is what a setting beside the tenant's is set to.
func (b binder) value(tenant, setting string) string {
	if value, own := b.values[tenant][setting]; own {
		return value
	}
	return b.settings[setting]
}

// seal binds a scope by its signature, and the settings beside it.
func (b binder) seal(ctx context.Context, s moat.Scope) ([]string, error) {
	sql, args, err := b.sealer.Bind(moat.WithScope(ctx, s), s.Tenant, b.backend)
	if err != nil {
		return nil, fmt.Errorf("seal tenant: %w", err)
	}
	for i := len(args); i > 0; i-- {
		sql = strings.ReplaceAll(sql, "$"+strconv.Itoa(i), literal(args[i-1]))
	}
	return append([]string{sql}, b.others(string(s.Tenant))...), nil
}

// plain sets the tenant setting and those beside it.
func (b binder) plain(tenant string) []string {
	if _, member := b.values[tenant][b.setting]; member {
		return b.others(tenant)
	}
	return append(b.sets(b.setting, claims(b.claim, tenant)), b.others(tenant)...)
}

// claims is a value as the setting holds it: itself, or at its place in a token's claims.
func claims(path []string, value string) string {
	if len(path) == 0 {
		return value
	}
	doc := map[string]any{}
	setClaim(doc, path, value)
	return asJSON(doc)
}

// setClaim sets a value at its place in claims.
func setClaim(doc map[string]any, path []string, value string) {
	for _, key := range path[:len(path)-1] {
		below, ok := doc[key].(map[string]any)
		if !ok {
			below = map[string]any{}
			doc[key] = below
		}
		doc = below
	}
	doc[path[len(path)-1]] = value
}

func asJSON(doc map[string]any) string {
	text, err := json.Marshal(doc)
	if err != nil {
		panic("prove: a map of texts is JSON, yet: " + err.Error())
	}
	return string(text)
}

func (b binder) others(tenant string) []string {
	all := maps.Clone(b.settings)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, b.values[tenant])
	if len(all) == 0 {
		return nil
	}
	pairs := make([]string, 0, 2*len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		pairs = append(pairs, name, all[name])
	}
	return b.sets(pairs...)
}

// literal prints a bind argument.
func literal(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		return fmt.Sprintf(`'\x%x'`, v)
	case string:
		return lit(v)
	}
	return lit(fmt.Sprint(v))
}
