package config

// Brand is whose portal a host shows. Files are PNG, JPEG or GIF; package portal checks the
// rest.
type Brand struct {
	Name     string       `yaml:"name"`
	Logo     string       `yaml:"logo"`
	LogoDark string       `yaml:"logo_dark"`
	Favicon  string       `yaml:"favicon"`
	Colours  BrandColours `yaml:"colours"`
	// Title, Intro and Points are texts of the sign-in page.
	Title   string      `yaml:"title"`
	Intro   string      `yaml:"intro"`
	Points  []string    `yaml:"points"`
	Support string      `yaml:"support"`
	Links   []BrandLink `yaml:"links"`
	Locale  string      `yaml:"locale"`
	// Moat says on each page that moat keeps the clients apart.
	Moat bool `yaml:"name_moat"`
	// Console serves the operator's console at the host as well.
	Console bool `yaml:"console"`
}

// BrandColours are #rrggbb.
type BrandColours struct {
	Accent     string `yaml:"accent"`
	AccentDark string `yaml:"accent_dark"`
	Side       string `yaml:"side"`
	SideDark   string `yaml:"side_dark"`
}

// BrandLink is a link at the foot of each page.
type BrandLink struct {
	Title string `yaml:"title"`
	Href  string `yaml:"href"`
}
