package query

import "strings"

// parseSelect reads a select list: a,b:c->>d::int,e:f!hint!inner(…),...g(…).
func parseSelect(text string, use *budget) ([]Item, error) {
	s := &scanner{what: "select parameter", text: text, use: use}
	items, err := s.items(1)
	if err != nil {
		return nil, err
	}
	if !s.done() {
		return nil, s.fail(`"," or end of input`)
	}
	return items, nil
}

// items reads items up to a closing parenthesis or the end. An empty list is one.
func (s *scanner) items(depth int) ([]Item, error) {
	if err := s.use.depth(depth); err != nil {
		return nil, err
	}
	s.blanks()
	if s.done() || s.peek() == ')' {
		return nil, nil
	}
	var items []Item
	for {
		s.blanks()
		item, err := s.item(depth)
		if err != nil {
			return nil, err
		}
		if err := s.use.item(); err != nil {
			return nil, err
		}
		items = append(items, item)
		s.blanks()
		if !s.take(",") {
			return items, nil
		}
	}
}

func (s *scanner) item(depth int) (Item, error) {
	if s.take("*") {
		return Item{Kind: Star}, nil
	}
	if s.take("...") {
		return s.spread(depth)
	}
	alias, err := s.alias()
	if err != nil {
		return Item{}, err
	}
	if s.take("count()") {
		item := Item{Kind: Count, Alias: alias}
		item.AggregateCast, err = s.cast()
		return item, err
	}
	name, err := s.name()
	if err != nil {
		return Item{}, err
	}
	if c := s.peek(); c == '(' || c == '!' {
		target := &Target{Name: name, Alias: alias}
		return Item{Kind: Embed, Target: target}, s.target(target, depth)
	}
	item := Item{Kind: Column, Alias: alias, Field: Field{Name: name}}
	err = s.column(&item)
	return item, err
}

// column reads what may follow a column's name: path, cast, aggregate and its cast.
func (s *scanner) column(item *Item) (err error) {
	if item.Field.Path, err = s.path(); err != nil {
		return err
	}
	if item.Cast, err = s.cast(); err != nil {
		return err
	}
	if s.peek() != '.' {
		return nil
	}
	for _, name := range []string{"sum", "avg", "min", "max", "count"} {
		if s.take("." + name + "()") {
			item.Aggregate = name
			item.AggregateCast, err = s.cast()
			return err
		}
	}
	return s.fail("an aggregate: sum(), avg(), min(), max() or count()")
}

// alias reads "name:" when a single colon follows the name, and nothing otherwise.
func (s *scanner) alias() (string, error) {
	start := s.pos
	if c := s.peek(); c == '(' || c == ')' || c == 0 {
		return "", nil
	}
	name, err := s.name()
	if err != nil {
		return "", err
	}
	if strings.HasPrefix(s.text[s.pos:], "::") || !s.take(":") {
		s.pos = start
		return "", nil
	}
	return name, nil
}

func (s *scanner) cast() (string, error) {
	if !s.take("::") {
		return "", nil
	}
	start := s.pos
	for depth := 0; !s.done(); s.pos++ {
		c := s.peek()
		if c == '(' {
			depth++
		}
		if c == ')' {
			if depth == 0 {
				break
			}
			depth--
		}
		if (c == ',' && depth == 0) || (c == '.' && strings.HasSuffix(aggregateAfter(s.text[s.pos:]), "()")) {
			break
		}
	}
	cast := strings.Trim(s.text[start:s.pos], " ")
	if cast == "" || len(cast) > 63 {
		return "", s.fail("the name of a type")
	}
	return cast, nil
}

// aggregateAfter returns ".sum()" and the like where text starts with one.
func aggregateAfter(text string) string {
	for _, name := range []string{".sum()", ".avg()", ".min()", ".max()", ".count()"} {
		if strings.HasPrefix(text, name) {
			return name
		}
	}
	return ""
}

func (s *scanner) spread(depth int) (Item, error) {
	alias, err := s.alias() // accepted and without a meaning, as in PostgREST
	if err != nil {
		return Item{}, err
	}
	name, err := s.name()
	if err != nil {
		return Item{}, err
	}
	target := &Target{Name: name, Alias: alias, Spread: true}
	return Item{Kind: Embed, Target: target}, s.target(target, depth)
}

// target reads hints and the parenthesised list of an embedded relation.
func (s *scanner) target(t *Target, depth int) error {
	if err := s.use.embed(); err != nil {
		return err
	}
	for s.take("!") {
		hint, err := s.name()
		if err != nil {
			return err
		}
		switch hint {
		case "inner":
			t.Inner = true
		case "left":
		default:
			if t.Hint != "" {
				return s.fail("one hint")
			}
			t.Hint = hint
		}
	}
	if err := s.expect("("); err != nil {
		return err
	}
	items, err := s.items(depth + 1)
	if err != nil {
		return err
	}
	t.Read.Items = items
	return s.expect(")")
}
