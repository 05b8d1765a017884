package catalog

import (
	"errors"
	"strconv"
	"strings"

	"github.com/moat-db/moat/internal/list"
)

// PostgreSQL stores an expression as the text of its parse tree (pg_node_tree):
//
//	{OPEXPR :opno 2972 :args ({VAR :varno 1 :varattno 2 …} {CONST …})}
//
// The form is the server's own and changes with each major version, by fields that
// come and go. This reader therefore knows the syntax and no field: whoever walks
// the tree asks for those that he needs.

// errNodeText is returned for text that is not a node tree.
var errNodeText = errors.New("not a node tree")

// maxNodeDepth bounds nesting; PostgreSQL's own limit is its stack.
const maxNodeDepth = 1000

// treeNode is one {TAG :field value …}.
type treeNode struct {
	tag    string
	fields []treeField
}

type treeField struct {
	name  string
	value treeValue
}

// treeValue is what a field holds: a node, a list, or a token. A Datum,
// "4 [ 1 0 0 0 ]", is its bytes.
type treeValue struct {
	token string
	node  *treeNode
	list  []treeValue
	bytes []byte
	null  bool // <>
}

// parseNodeText reads a node tree.
func parseNodeText(text string) (*treeNode, error) {
	r := nodeReader{text: text}
	v, err := r.value(0)
	if err != nil {
		return nil, err
	}
	if v.node == nil || r.next() != "" {
		return nil, errNodeText
	}
	return v.node, nil
}

// get returns a field's value, the null value when there is none of that name.
func (n *treeNode) get(name string) treeValue {
	if n != nil {
		for i := range n.fields {
			if n.fields[i].name == name {
				return n.fields[i].value
			}
		}
	}
	return treeValue{null: true}
}

// node returns a field that holds a node, nil otherwise.
func (n *treeNode) node(name string) *treeNode { return n.get(name).node }

// number returns a field that holds an integer, 0 otherwise.
func (n *treeNode) number(name string) int {
	i, err := strconv.Atoi(n.get(name).token)
	if err != nil {
		return 0
	}
	return i
}

// oid returns a field that holds an object's number.
func (n *treeNode) oid(name string) OID {
	i, err := strconv.ParseUint(n.get(name).token, 10, 32)
	if err != nil {
		return 0
	}
	return OID(i)
}

// flag returns a field that holds a boolean.
func (n *treeNode) flag(name string) bool { return n.get(name).token == "true" }

// nodes returns a field that holds a list of nodes.
func (n *treeNode) nodes(name string) []*treeNode {
	return list.Pick(n.get(name).list, func(v treeValue) (*treeNode, bool) { return v.node, v.node != nil })
}

// nodeReader walks the text of a node tree.
type nodeReader struct {
	text string
	at   int
}

// next returns the next token: a brace, a parenthesis, or what stands up to the
// next blank or brace, escapes included. It returns "" at the end.
func (r *nodeReader) next() string {
	for r.at < len(r.text) && isBlank(r.text[r.at]) {
		r.at++
	}
	start := r.at
	for r.at < len(r.text) {
		c := r.text[r.at]
		switch {
		case c == '\\' && r.at+1 < len(r.text):
			r.at += 2
			continue
		case isBrace(c):
			if r.at == start {
				r.at++
			}
			return r.text[start:r.at]
		case isBlank(c):
			return r.text[start:r.at]
		}
		r.at++
	}
	return r.text[start:]
}

// peek returns the next token without taking it.
func (r *nodeReader) peek() string {
	at := r.at
	token := r.next()
	r.at = at
	return token
}

func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' }
func isBrace(c byte) bool { return c == '(' || c == ')' || c == '{' || c == '}' }

func (r *nodeReader) value(depth int) (treeValue, error) {
	if depth > maxNodeDepth {
		return treeValue{}, errNodeText
	}
	switch token := r.next(); token {
	case "", ")", "}":
		return treeValue{}, errNodeText
	case "<>":
		return treeValue{null: true}, nil
	case "{":
		node, err := r.fields(depth)
		return treeValue{node: node}, err
	case "(":
		list, err := r.list(depth)
		return treeValue{list: list}, err
	default:
		if r.peek() == "[" {
			bytes, err := r.datum()
			return treeValue{bytes: bytes}, err
		}
		return treeValue{token: unescape(token)}, nil
	}
}

// fields reads what follows "{". Tokens that belong to no field are passed over.
func (r *nodeReader) fields(depth int) (*treeNode, error) {
	n := &treeNode{tag: r.next()}
	for {
		switch token := r.peek(); {
		case token == "}":
			r.next()
			return n, nil
		case strings.HasPrefix(token, ":"):
			r.next()
			v, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			n.fields = append(n.fields, treeField{token[1:], v})
		default:
			if _, err := r.value(depth + 1); err != nil {
				return nil, err
			}
		}
	}
}

// list reads what follows "(": nodes, or the numbers of (i …), (o …), (b …).
func (r *nodeReader) list(depth int) ([]treeValue, error) {
	var all []treeValue
	for r.peek() != ")" {
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	r.next()
	if len(all) > 0 {
		switch all[0].token {
		case "i", "o", "x", "b":
			all = all[1:]
		}
	}
	return all, nil
}

// datum reads "[ 88 0 0 0 … ]". Servers print bytes signed or not, by platform.
func (r *nodeReader) datum() ([]byte, error) {
	r.next() // [
	bytes := []byte{}
	for {
		token := r.next()
		if token == "]" {
			return bytes, nil
		}
		i, err := strconv.Atoi(token)
		if err != nil || i < -128 || i > 255 {
			return nil, errNodeText
		}
		bytes = append(bytes, byte(i))
	}
}

// unescape takes the backslashes and the quotes of a string off a token.
func unescape(token string) string {
	if len(token) >= 2 && token[0] == '"' && token[len(token)-1] == '"' {
		token = token[1 : len(token)-1]
	}
	if strings.IndexByte(token, '\\') < 0 {
		return token
	}
	var b strings.Builder
	for i := 0; i < len(token); i++ {
		if token[i] == '\\' && i+1 < len(token) {
			i++
		}
		b.WriteByte(token[i])
	}
	return b.String()
}
