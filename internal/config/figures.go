package config

// Figure is what an agency sees of each client; package portal checks it.
type Figure struct {
	Title   string `yaml:"title"`
	Table   string `yaml:"table"`
	Sum     string `yaml:"sum"`
	Average string `yaml:"average"`
	// Where is column → one of these values; the column may end in .min, .max or .null.
	Where map[string]Strings `yaml:"where"`
	// Date is the column by which rows belong to a period, or none.
	Date string `yaml:"date"`
}
