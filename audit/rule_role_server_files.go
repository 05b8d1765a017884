package audit

var ruleRoleServerFiles = Rule{
	ID: "role-server-files", Severity: Critical, Holes: []string{"C18"},
	Title: "The application role may read or write the server's files, or run programs there",
	Check: func(f *facts) []Finding {
		return f.predefined([]string{"pg_read_server_files", "pg_write_server_files", "pg_execute_server_program"},
			"The files of the tables themselves can be read, and from there on everything else.",
			"A file, or a program, is as good as a superuser.")
	},
}
