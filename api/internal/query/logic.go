package query

// parseLogic reads the value of and=, or=, not.and= and not.or=: (cond,cond,…).
func parseLogic(operator string, not bool, text string, use *budget) (Cond, error) {
	s := &scanner{what: "logic tree", text: text, use: use}
	cond := Cond{Not: not, Logic: operator}
	s.blanks()
	if err := s.conditions(&cond, 1); err != nil {
		return Cond{}, err
	}
	s.blanks()
	if !s.done() {
		return Cond{}, s.fail("end of input")
	}
	return cond, nil
}

func (s *scanner) conditions(into *Cond, depth int) error {
	if err := s.use.depth(depth); err != nil {
		return err
	}
	if err := s.expect("("); err != nil {
		return err
	}
	for {
		s.blanks()
		child, err := s.condition(depth)
		if err != nil {
			return err
		}
		into.Children = append(into.Children, child)
		s.blanks()
		if s.take(",") {
			continue
		}
		return s.expect(")")
	}
}

func (s *scanner) condition(depth int) (Cond, error) {
	start := s.pos
	not := s.take("not.")
	word := s.pos
	for _, operator := range []string{"and", "or"} {
		if s.take(operator) {
			if s.blanks(); s.peek() == '(' {
				cond := Cond{Not: not, Logic: operator}
				err := s.conditions(&cond, depth+1)
				return cond, err
			}
			s.pos = word
		}
	}
	s.pos = start
	return s.leaf()
}

// leaf reads field.[not.]op.value inside a tree, where a value ends at , or ).
func (s *scanner) leaf() (Cond, error) {
	if c := s.peek(); c == ')' || c == ',' || c == 0 {
		return Cond{}, s.fail("field name (* or [a..z0..9_$]), negation operator (not) or logic operator (and, or)")
	}
	field, err := s.field()
	if err != nil {
		return Cond{}, err
	}
	if err := s.expect("."); err != nil {
		return Cond{}, err
	}
	cond := Cond{Not: s.take("not."), Filter: Filter{Field: field}}
	f := &cond.Filter
	if err := s.operation(f); err != nil {
		return Cond{}, err
	}
	if f.Op == OpIn {
		f.Values, err = s.list()
		return cond, errorsFirst(err, s.use.filter())
	}
	if s.peek() == '{' {
		f.Value, err = s.array()
	} else {
		f.Value, err = s.element(",)")
	}
	err = errorsFirst(err, s.check(f), s.use.filter())
	return cond, err
}

// array reads an array literal {…}, braces and quotes balanced; where they are not,
// it is a plain value.
func (s *scanner) array() (string, error) {
	start, depth := s.pos, 0
	for ; !s.done(); s.pos++ {
		switch s.peek() {
		case '"':
			if _, err := s.quotedValue(); err != nil {
				return "", err
			}
			s.pos--
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				s.pos++
				return s.text[start:s.pos], nil
			}
		}
	}
	s.pos = start
	return s.element(",)")
}
