package audit

var ruleRoleServerFiles = Rule{
	ID: "role-server-files", Severity: Critical, Holes: []string{"C18"},
	Title: "The application role can read or write the server's files, or run programs on the server",
	check: func(f *facts) []Finding {
		return f.predefined([]string{"pg_read_server_files", "pg_write_server_files", "pg_execute_server_program"},
			"An attacker can read the data files of every table, and take over the server from there.",
			"Access to the server's files or programs is as powerful as a superuser.")
	},
}
