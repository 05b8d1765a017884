package demo

// The words that sample data is made of.
var (
	firstNames = []string{"Amelia", "Noah", "Priya", "Mateo", "Hannah", "Kwame", "Sofia", "Liam", "Yuki", "Elena",
		"Omar", "Grace",
		"Viktor", "Chloe", "Diego", "Ingrid", "Samuel", "Leila", "Ethan", "Mei", "Lucas", "Aisha", "Jonas", "Isabel",
		"Tomasz",
		"Nora", "Rahul", "Camille", "Felix", "Zoe", "Marcus", "Anya", "Theo", "Ruth", "Kenji", "Olivia", "Andre", "Freya",
		"Ivan", "Maya"}
	lastNames = []string{"Okafor", "Lindqvist", "Patel", "Garcia", "Novak", "Thompson", "Rossi", "Nakamura", "Hughes",
		"Dubois",
		"Andersson", "Silva", "Kowalski", "Meyer", "Haddad", "Brennan", "Castillo", "Fischer", "Ivanova", "Chen", "Sato",
		"Morales",
		"Walsh", "Petrov", "Nguyen", "Schmidt", "Adeyemi", "Larsen", "Romano", "Clarke", "Moreau", "Jansen", "Reyes",
		"Murphy",
		"Yilmaz", "Bauer", "Osei", "Hansen", "Costa", "Singh"}
	companyHeads = []string{"Bluebird", "Summit", "Cedar", "Ironbridge", "Lakeside", "Redwood", "Sterling", "Maple",
		"Orchard", "Granite",
		"Beacon", "Willow", "Foundry", "Harvest", "Anchor", "Meridian", "Birch", "Crescent", "Falcon", "Juniper"}
	companyTails = []string{"Foods", "Logistics", "Partners", "Studio", "Dental", "Builders", "Analytics", "Hotels",
		"Motors", "Books",
		"Clinic", "Textiles", "Energy", "Travel", "Media", "Consulting", "Farms", "Works", "Interiors", "Legal"}
	callNotes = []string{"Asked for a quote", "Left a voicemail", "Wants a call back next week", "Comparing two offers",
		"Budget is approved", "Needs to talk to a partner first", "Interested in the larger package", "Asked about financing"}
	mailNotes = []string{"Sent the brochure", "Sent the price list", "Replied with questions", "Confirmed the appointment",
		"Sent the proposal", "Asked for references"}
	meetingNotes = []string{"On-site visit", "Video call with the team", "Walked through the proposal", "Site survey done"}
)

// client is one of the agency's clients, or the agency: a tenant.
type client struct {
	id, name, slug string
	leads          int
	campaigns      []campaign
}

type campaign struct{ name, channel string }

// agency stands above its clients, and wins them like leads.
var agency = client{"9f27c6b4-02ad-4d35-8e1c-6a50be93d100", "Fieldstone Marketing", "fieldstone", 40,
	[]campaign{{"New business", "referral"}}}

// clients are of very different sizes, as an agency's are: 30,000 leads together.
var clients = []client{
	{"0c5e8f2a-4b1d-4e7a-9a63-1f0b7d2c8e01", "Northwind Solar", "northwind", 18000, []campaign{{"Rooftop savings",
		"search"}, {"Neighbours who switched", "social"}, {"Spring home fair", "event"}, {"Installer referrals",
		"referral"}, {"Battery upgrade", "email"}}},
	{"3a9d41c7-6e58-4f02-8b7e-5c2190af6d02", "Bright Dental Group", "bright-dental", 7500,
		[]campaign{{"New patient check-up", "search"}, {"Straight smiles", "social"}, {"Recall reminders", "email"}}},
	{"7be02f96-19c4-4d83-a5f1-e84b03d7c903", "Harbor Legal", "harbor-legal", 3200, []campaign{{"Free first consultation",
		"search"}, {"Moving house", "social"}, {"Partner network", "referral"}}},
	{"b41f6d58-c72e-4a9b-93d0-2ae6571f8404", "Alpine Roofing", "alpine-roofing", 1100,
		[]campaign{{"Storm damage", "search"}, {"Autumn inspection", "email"}}},
	{"e6d3907b-85fa-4c16-b2e8-907c4d15a305", "Juniper Yoga", "juniper-yoga", 200, []campaign{{"First class free",
		"social"}, {"Open studio day", "event"}}},
}
