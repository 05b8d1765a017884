package catalog

import "slices"

// Expr is an expression as the server stored it: the text that pg_get_expr
// prints, and the tree it parsed to, with every name resolved. Judging an
// expression by its tree cannot be fooled by spelling, by a search_path or by a
// column that a subquery captured.
type Expr struct {
	Text string `json:"text"`
	Root *Node  `json:"root,omitempty"` // nil when the tree could not be read
}

// NodeKind says what a Node is.
type NodeKind string

// The kinds of node. Anything the reader does not know is NodeOther, which no
// rule considers isolating.
const (
	NodeAnd        NodeKind = "and"
	NodeOr         NodeKind = "or"
	NodeNot        NodeKind = "not"
	NodeOperator   NodeKind = "operator"    // Name: the operator's name; Args
	NodeFunction   NodeKind = "function"    // Name: schema.name; Args
	NodeColumn     NodeKind = "column"      // Relation, Column, Level
	NodeConst      NodeKind = "const"       // Value, Null, Type
	NodeAny        NodeKind = "any"         // Name: operator; x op ANY (array): Args[0], Args[1]
	NodeAll        NodeKind = "all"         // x op ALL (array)
	NodeArray      NodeKind = "array"       // Args
	NodeSubquery   NodeKind = "subquery"    // scalar subquery: Query
	NodeArrayQuery NodeKind = "array query" // ARRAY(SELECT …): Query
	NodeExists     NodeKind = "exists"      // Query
	NodeAnyQuery   NodeKind = "any query"   // x op ANY (SELECT …), IN (SELECT …): Args, one a column of Query
	NodeAllQuery   NodeKind = "all query"
	NodeNullTest   NodeKind = "null test"    // Name: "is null" or "is not null"
	NodeBoolTest   NodeKind = "boolean test" // Name: "is true", "is not false", …
	NodeDistinct   NodeKind = "distinct"     // IS DISTINCT FROM: Args; NOT DISTINCT is NodeNot over it
	NodeNullIf     NodeKind = "nullif"
	NodeCoalesce   NodeKind = "coalesce"
	NodeCase       NodeKind = "case"    // Args: condition, result, condition, result, …, default
	NodeCollate    NodeKind = "collate" // by a collation that tells all texts apart: Args[0]
	NodeCast       NodeKind = "cast"    // Type: the target; Args[0]; Name: the function that casts, if any
	NodeValue      NodeKind = "value"   // Name: current_user, session_user, …
	NodeParam      NodeKind = "param"   // Name: a parameter of a function's body
	NodeEither     NodeKind = "either"  // one of Args: what a variable of a body may hold
	NodeOther      NodeKind = "other"   // Name: PostgreSQL's node tag
)

// Node is one node of an expression's tree.
type Node struct {
	Kind     NodeKind `json:"kind"`
	Name     string   `json:"name,omitempty"`
	Type     string   `json:"type,omitempty"` // result type where known, e.g. uuid
	Relation QName    `json:"relation,omitzero"`
	Column   string   `json:"column,omitempty"`
	// Level is 0 for a column of the policy's own query level: inside a subquery
	// the policy's table has level 1 or more.
	Level int `json:"level,omitempty"`
	// Entry tells apart the tables of one query level that have the same name: it
	// is the column's place in that level's FROM.
	Entry int     `json:"-"`
	Value string  `json:"value,omitempty"`
	Null  bool    `json:"null,omitempty"`
	Args  []*Node `json:"args,omitempty"`
	Query *Query  `json:"query,omitempty"`
	// OID of the function or operator, for looking up volatility and the like.
	OID OID `json:"-"`
}

// Query is a subquery inside an expression, as far as rules need it.
type Query struct {
	Tables []QName `json:"tables,omitempty"` // relations read, at this level and below
	Select []*Node `json:"select,omitempty"` // target list
	// Where is WHERE and the ON of inner joins, ANDed. What an outer join is ON
	// filters nothing and stands in a NodeOther.
	Where *Node `json:"where,omitempty"`
	// From are the subqueries that stand in FROM or WITH, and the branches of a
	// set operation; Calls the functions in FROM.
	From  []*Query `json:"from,omitempty"`
	Calls []*Node  `json:"calls,omitempty"`
	// SetOperation is true for UNION, INTERSECT and EXCEPT: Select is then empty
	// and From has the branches.
	SetOperation bool `json:"set_operation,omitempty"`
	// Aggregate is true when the query aggregates, or groups by nothing: it may give
	// a row where WHERE found none.
	Aggregate bool `json:"aggregate,omitempty"`
	// Simple is true when the query is SELECT expr with no FROM, no grouping, no
	// set operation: the wrapper that makes an InitPlan.
	Simple bool `json:"simple,omitempty"`
}

// Conjuncts returns what is ANDed at the top of an expression; none for nil.
func (n *Node) Conjuncts() []*Node {
	if n == nil {
		return nil
	}
	if n.Kind != NodeAnd {
		return []*Node{n}
	}
	var all []*Node
	for _, arg := range n.Args {
		all = append(all, arg.Conjuncts()...)
	}
	return all
}

// Conjunction ANDs conditions; none are nil.
func Conjunction(nodes []*Node) *Node {
	switch len(nodes) {
	case 0:
		return nil
	case 1:
		return nodes[0]
	}
	return &Node{Kind: NodeAnd, Type: "boolean", Args: nodes}
}

// Add makes sub a part of q.
func (q *Query) Add(sub *Query) {
	q.From = append(q.From, sub)
	for _, table := range sub.Tables {
		q.AddTable(table)
	}
}

// AddTable adds a table to those that q reads, once.
func (q *Query) AddTable(table QName) {
	if !slices.Contains(q.Tables, table) {
		q.Tables = append(q.Tables, table)
	}
}
