package audit

var ruleFuncSearchPath = Rule{
	ID: "func-search-path", Severity: Low, Holes: []string{"S22"}, Peer: "function_search_path_mutable",
	Title: "A function looks up names along the caller's search_path",
	check: func(f *facts) []Finding {
		covered := map[string]bool{}
		for _, x := range ruleFuncHelperSearchPath.check(f) {
			covered[x.Object] = true
		}
		var out []Finding
		for _, fn := range f.userFunctions {
			if fn.Definer || fn.BodyParsed || tempLast(fn) || fn.Result == "event_trigger" || covered[fn.Signature()] {
				continue
			}
			if fn.Language != "sql" && fn.Language != "plpgsql" || fn.Kind != "function" && fn.Kind != "procedure" {
				continue
			}
			out = append(out, onFunction(fn,
				"A temporary type or table left by an earlier tenant on the same connection can take "+
					"the place of the intended one.",
				"PostgreSQL looks up the names in the body at run time, and searches pg_temp first unless the "+
					"function's search_path names it last.").
				with(searchPathSQL(fn)))
		}
		return out
	},
}
