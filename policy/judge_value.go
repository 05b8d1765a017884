package policy

import (
	"reflect"
	"slices"
	"strings"

	"github.com/moat-db/moat/catalog"
	"github.com/moat-db/moat/internal/body"
	"github.com/moat-db/moat/internal/list"
)

// analyst judges one expression. Its depth arguments count the query levels
// between the policy's own level and the node at hand.
type analyst struct {
	v           *View
	m           *catalog.Model
	t           *catalog.Relation
	column      string // the table's tenant column, "" for none
	j           *Judgement
	following   []catalog.QName        // tables whose policies are being followed, outermost first
	calls       []*catalog.Function    // user's functions being looked into, outermost first
	compared    *Evidence              // what the tenant column was first compared with
	notDistinct map[*catalog.Node]bool // IS DISTINCT FROM that stands under a NOT
}

func (v *View) analyst(t *catalog.Relation, column string, j *Judgement) *analyst {
	return &analyst{v: v, m: v.Model, t: t, column: column, j: j, notDistinct: map[*catalog.Node]bool{}}
}

// valueKind says where a value comes from.
type valueKind int

const (
	valueUnknown valueKind = iota
	valueNothing           // NULL or the empty text: equal to no tenant
	valueConst             // any other literal
	valueTenant            // the tenant setting
	valueClaim             // a claim of the verified token
	valueSetting           // another setting
	valueClient            // something the client writes itself
	valueRole              // the name of a role
	valueOwn               // a column of the policy's own table
	valueInner             // a column of a table of a subquery
	valueMember            // what a subquery selects for the caller
)

// value is what is known of where an expression's value comes from.
type value struct {
	kind    valueKind
	setting string
	path    []string          // keys followed into a JSON setting
	node    *catalog.Node     // valueOwn, valueInner: the column
	ref     catalog.ColumnRef // valueMember: the column selected
	binding binding           // valueMember: how it is bound to the caller
	member  membership        // valueMember: by which columns
	raises  bool              // evaluating it fails when the setting is absent
	empty   bool              // it may be the empty text
	never   bool              // it is never NULL
	text    bool              // it has not been cast away from text
	wrapped bool              // it stands in a subquery of its own
	changed bool              // valueOwn: a cast stands around the column
	// valueOwn: a cast to a type of exact equality, or a COLLATE, stands around it
	cast, collated bool
}

// isContext reports whether the value speaks for the caller.
func (x value) isContext() bool {
	return x.kind == valueTenant || x.kind == valueClaim || x.kind == valueMember ||
		x.kind == valueSetting && NamesCaller(x.setting)
}

// same reports whether two values are one and the same to whoever compares with them.
func (x value) same(y value) bool {
	switch {
	case x.kind != y.kind:
		return false
	case x.kind == valueSetting || x.kind == valueClient:
		return x.setting == y.setting && slices.Equal(x.path, y.path)
	case x.kind == valueInner:
		return x.node.Entry == y.node.Entry && x.node.Column == y.node.Column
	case x.kind == valueMember:
		return x.ref == y.ref && x.binding == y.binding && reflect.DeepEqual(x.member, y.member)
	}
	return x.kind != valueOwn && slices.Equal(x.path, y.path)
}

// value says where the value of n comes from.
func (a *analyst) value(n *catalog.Node, depth int) value {
	switch n.Kind {
	case catalog.NodeConst:
		if n.Null || n.Value == "" || isEmptyArray(n) {
			return value{kind: valueNothing}
		}
		return value{kind: valueConst}
	case catalog.NodeArray:
		if len(n.Args) == 0 {
			return value{kind: valueNothing}
		}
	case catalog.NodeColumn:
		return a.columnValue(n, depth)
	case catalog.NodeValue:
		if isRoleName(n.Name) {
			return value{kind: valueRole}
		}
	case catalog.NodeCast:
		return a.castValue(n, depth)
	case catalog.NodeCollate:
		x := a.value(n.Args[0], depth)
		x.collated = true
		return x
	case catalog.NodeNullIf:
		x := a.value(n.Args[0], depth)
		if len(n.Args) == 2 && a.value(n.Args[1], depth).kind == valueNothing {
			x.empty = false
		}
		return x
	case catalog.NodeCoalesce, catalog.NodeEither:
		return a.firstOf(n.Args, depth)
	case catalog.NodeSubquery, catalog.NodeArrayQuery:
		x := a.queryValue(n.Query, depth)
		x.wrapped = x.kind != valueUnknown
		x.never = x.never || n.Kind == catalog.NodeArrayQuery
		return x
	case catalog.NodeCase:
		var results []*catalog.Node
		for pair := range slices.Chunk(n.Args, 2) {
			results = append(results, pair[len(pair)-1])
		}
		return a.firstOf(results, depth)
	case catalog.NodeOperator:
		return a.pathValue(n, depth)
	case catalog.NodeFunction:
		return a.callValue(n, depth)
	case catalog.NodeOther:
		return a.subscriptValue(n, depth)
	}
	return value{}
}

func (a *analyst) columnValue(n *catalog.Node, depth int) value {
	switch {
	case n.Level == depth && n.Relation == a.t.QName():
		return value{kind: valueOwn, node: n}
	case n.Level < depth && n.Level == 0 && n.Relation != catalog.QName{}:
		return value{kind: valueInner, node: n}
	}
	return value{}
}

// castValue follows a cast. A cast from text makes an empty setting an error.
func (a *analyst) castValue(n *catalog.Node, depth int) value {
	if isEmptyArray(n) {
		return value{kind: valueNothing}
	}
	x := a.value(n.Args[0], depth)
	if n.Name != "relabel" && x.kind == valueOwn {
		x.changed = true
	}
	if !body.Exact(a.base(n.Type)) || n.OID != 0 && !strings.HasPrefix(n.Name, "pg_catalog.") {
		return value{}
	}
	x.cast = true
	if x.text && n.Type != "text" && n.Type != "character varying" {
		x.raises = x.raises || x.empty
		x.text, x.empty = false, false
	}
	return x
}

// isEmptyArray reports whether a literal is '{}', of a type of arrays.
func isEmptyArray(n *catalog.Node) bool {
	return strings.HasSuffix(n.Type, "[]") && bare(n).Kind == catalog.NodeConst && bare(n).Value == "{}"
}

// base is the type under a user's domain, without its length: a domain refuses what is
// too long, where a cast cuts it.
func (a *analyst) base(name string) string {
	if base := a.v.BaseType(name); base != name {
		base, _, _ = strings.Cut(base, "(")
		return base
	}
	return name
}

// firstOf is COALESCE: what may follow a value that speaks for the caller is
// nothing, the same again, or an id that is conventionally nobody's.
func (a *analyst) firstOf(args []*catalog.Node, depth int) value {
	var result value
	for i, arg := range args {
		x := a.value(arg, depth)
		switch {
		case i == 0:
			result = x
		case x.kind == valueNothing || x.kind == valueConst && nobody(arg):
			result.empty = result.empty && x.kind != valueConst
			result.never = result.never || x.kind == valueConst
		case x.same(result):
			result.raises = result.raises || x.raises
			result.empty = x.empty
		case result.kind == valueNothing:
			result = x
		default:
			if result.isContext() && (x.kind == valueOwn || x.kind == valueConst) {
				a.j.FailsOpen = true
			}
			return value{}
		}
	}
	return result
}

// nobody reports whether a literal is an id that stands for no tenant: the nil uuid,
// zero or a negative number.
func nobody(n *catalog.Node) bool {
	for n.Kind == catalog.NodeCast && len(n.Args) == 1 {
		n = n.Args[0]
	}
	digits, negative := strings.CutPrefix(n.Value, "-")
	return n.Kind == catalog.NodeConst &&
		(strings.Trim(n.Value, "0-") == "" || negative && strings.Trim(digits, "0123456789") == "")
}

// settingValue is current_setting(name).
func (a *analyst) settingValue(n *catalog.Node) value {
	if len(n.Args) == 0 || n.Args[0].Kind != catalog.NodeConst {
		return value{}
	}
	name := strings.ToLower(n.Args[0].Value)
	x := value{setting: name, empty: true, text: true, kind: a.settingKind(name, nil)}
	x.raises = len(n.Args) < 2 || n.Args[1].Kind != catalog.NodeConst || n.Args[1].Value != "true"
	if claim, ok := strings.CutPrefix(name, "request.jwt.claim."); ok {
		x.path = []string{claim}
	}
	return x
}

// settingKind says what a setting, or a key in it, stands for.
func (a *analyst) settingKind(name string, path []string) valueKind {
	switch {
	case strings.HasPrefix(name, "request.jwt.claim"):
		if len(path) > 0 && (path[0] == "user_metadata" || path[0] == "raw_user_meta_data") {
			a.j.ClientValue = true
			return valueClient
		}
		return valueClaim
	case strings.HasPrefix(name, "request."):
		a.j.ClientValue = true
		return valueClient
	case a.m.Setting == "" && !NamesCaller(name), strings.EqualFold(name, a.m.Setting) && !a.m.Person:
		return valueTenant
	}
	return valueSetting
}

// pathValue is a key taken out of a JSON setting by -> or ->>, #> or #>>.
func (a *analyst) pathValue(n *catalog.Node, depth int) value {
	if len(n.Args) != 2 {
		return value{}
	}
	key := n.Args[1]
	for key.Kind == catalog.NodeCast && len(key.Args) == 1 {
		key = key.Args[0]
	}
	if key.Kind != catalog.NodeConst && key.Kind != catalog.NodeArray {
		return value{}
	}
	switch n.Name {
	case "->", "->>":
		return a.follow(a.value(n.Args[0], depth), []string{key.Value}, n.Name == "->>")
	case "#>", "#>>":
		return a.follow(a.value(n.Args[0], depth), pathKeys(key), n.Name == "#>>")
	}
	return value{}
}

func pathKeys(n *catalog.Node) []string {
	var keys []string
	if n.Kind == catalog.NodeArray {
		keys = append(keys, list.Map(n.Args, func(arg *catalog.Node) string { return arg.Value })...)
		return keys
	}
	for key := range strings.SplitSeq(strings.Trim(n.Value, "{}"), ",") {
		keys = append(keys, strings.Trim(strings.TrimSpace(key), `"`))
	}
	return keys
}

// follow goes into a JSON value by keys.
func (a *analyst) follow(x value, keys []string, text bool) value {
	if x.setting == "" {
		return value{}
	}
	x.path = append(slices.Clone(x.path), keys...)
	x.kind = a.settingKind(x.setting, x.path)
	if x.kind == valueClaim || x.kind == valueClient {
		a.j.Claims = append(a.j.Claims, strings.Join(x.path, "."))
	}
	x.text, x.empty = text, text && x.empty
	return x
}

// subscriptValue is ('{…}'::jsonb)['key'].
func (a *analyst) subscriptValue(n *catalog.Node, depth int) value {
	if n.Name != "SUBSCRIPTINGREF" || len(n.Args) < 2 {
		return value{}
	}
	// The subscripts are printed before what they are taken of.
	var keys []string
	for _, arg := range n.Args[:len(n.Args)-1] {
		if arg.Kind != catalog.NodeConst {
			return value{}
		}
		keys = append(keys, arg.Value)
	}
	return a.follow(a.value(n.Args[len(n.Args)-1], depth), keys, false)
}

// callValue is a function's result.
func (a *analyst) callValue(n *catalog.Node, depth int) value {
	switch n.Name {
	case "pg_catalog.current_setting":
		return a.settingValue(n)
	case "pg_catalog.current_user", "pg_catalog.session_user", "pg_catalog.getpgusername":
		return value{kind: valueRole}
	case "pg_catalog.jsonb_array_elements_text", "pg_catalog.json_array_elements_text", "pg_catalog.jsonb_array_elements",
		"pg_catalog.json_array_elements", "pg_catalog.unnest", "pg_catalog.array_agg", "pg_catalog.to_jsonb",
		"pg_catalog.btrim":
		if len(n.Args) == 1 {
			x := a.value(n.Args[0], depth)
			x.text, x.empty = false, false
			if x.kind == valueOwn {
				return value{}
			}
			return x
		}
	case "pg_catalog.jsonb_extract_path", "pg_catalog.json_extract_path",
		"pg_catalog.jsonb_extract_path_text", "pg_catalog.json_extract_path_text":
		if len(n.Args) == 2 && (n.Args[1].Kind == catalog.NodeArray || n.Args[1].Kind == catalog.NodeConst) {
			return a.follow(a.value(n.Args[0], depth), pathKeys(n.Args[1]), strings.HasSuffix(n.Name, "_text"))
		}
	}
	return a.helperValue(n, depth)
}

// helperValue is the result of a user's function: what all ways out of it have in
// common.
func (a *analyst) helperValue(n *catalog.Node, depth int) value {
	f := a.v.Function(n.OID)
	if f != nil && slices.Contains(a.m.Trusted, f.QName()) {
		return value{kind: valueTenant, setting: a.m.Setting}
	}
	if setting := a.v.sealedFact(f, n.Args); setting != "" && slices.Contains(a.m.Trusted, SealedTenant()) {
		return value{kind: a.settingKind(setting, nil), setting: setting, text: true}
	}
	alternatives := a.enter(n, f)
	if alternatives == nil {
		return value{} // whatever its name is
	}
	defer a.leave()
	var result value
	for i, alternative := range alternatives {
		x := a.value(alternative, depth)
		switch {
		case i == 0 || result.kind == valueNothing:
			x.raises = x.raises || result.raises
			result = x
		case x.kind == valueNothing:
		case x.same(result):
			result.raises = result.raises || x.raises
		default:
			return value{}
		}
	}
	// The function's result type is what its last cast made of the setting.
	isText := strings.Contains(f.Result, "text") || strings.Contains(f.Result, "character")
	if result.text && !isText && f.Result != "json" && f.Result != "jsonb" {
		result.raises = result.raises || result.empty
		result.text, result.empty = false, false
	}
	result.wrapped = false
	result.raises = result.raises && !a.v.Body(f).Caught
	if f.Volatile == "immutable" && result.kind != valueNothing && result.kind != valueConst {
		a.j.ImmutableHelper = true
	}
	return result
}

func isRoleName(name string) bool {
	switch name {
	case "current_user", "session_user", "current_role", "user":
		return true
	}
	return false
}

// NamesCaller reports whether a setting, by its name, holds who the caller is.
func NamesCaller(setting string) bool {
	name := strings.ToLower(setting[strings.LastIndexByte(setting, '.')+1:])
	for _, part := range []string{"user", "uid", "sub", "member", "person", "actor", "email", "login", "principal",
		"employee", "profile", "staff"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
