package sqltext

// Conjuncts splits a condition, as PostgreSQL prints it, at the ANDs of its outermost
// level. The parts, and the parts of parts, have no parentheses around them.
func Conjuncts(condition string) []string {
	return conjuncts(condition, Code(condition))
}

func conjuncts(text string, tokens []Token) []string {
	for enclosed(tokens) {
		tokens = tokens[1 : len(tokens)-1]
	}
	if len(tokens) == 0 {
		return nil
	}
	var parts []string
	depth, from := 0, 0
	for i, t := range tokens {
		depth += nesting(t)
		if depth == 0 && t.Is("and") {
			parts = append(parts, conjuncts(text, tokens[from:i])...)
			from = i + 1
		}
	}
	if from == 0 {
		return []string{text[tokens[0].Pos:tokens[len(tokens)-1].End]}
	}
	return append(parts, conjuncts(text, tokens[from:])...)
}

// enclosed reports whether one pair of parentheses is around all of the tokens.
func enclosed(tokens []Token) bool {
	if len(tokens) < 2 || !tokens[0].Is("(") {
		return false
	}
	depth := 0
	for i, t := range tokens {
		if depth += nesting(t); depth == 0 {
			return i == len(tokens)-1
		}
	}
	return false
}

func nesting(t Token) int {
	switch {
	case t.Is("("):
		return 1
	case t.Is(")"):
		return -1
	}
	return 0
}
