package catalog

func leakproofFunctions(version int) []OID { return []OID{} }
