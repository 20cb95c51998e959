package endpoint

// Role is what a derived name is for.
type Role int

// The roles, in the order in which Names lists them. Every SDK derives the first
// three, whatever it is used for.
const (
	Cache      Role = iota // data and topics
	Control                // caches
	Token                  // tokens
	Storage                // Go SDK: a service that Mayfly does not have
	WebCache               // Web SDK: data and topics
	WebControl             // Web SDK: caches
	WebToken               // Web SDK: tokens
	API                    // plain HTTP, by the name that the hosted service has for it
	Base                   // the endpoint itself: the command line, the console, vending
)

// prefixes stand in front of the endpoint.
var prefixes = [...]string{"cache.", "control.", "token.", "storage.", "web.cache.", "web.control.", "web.token.", "api.cache.", ""}

// Name is a host that a client connects to.
type Name struct {
	Host string
	Role Role
}

// Native reports whether native gRPC comes to the name.
func (r Role) Native() bool { return r <= Token }

// Web reports whether the Web SDK comes to the name.
func (r Role) Web() bool { return r == WebCache || r == WebControl || r == WebToken }

// For says who needs the name.
func (r Role) For() string {
	switch {
	case r.Native():
		return "Node.js, Go and Python SDKs"
	case r.Web():
		return "Web SDK"
	case r == Storage:
		return "storage client of the Go SDK, which Mayfly does not serve"
	case r == API:
		return "plain HTTP"
	default:
		return "the mayfly command, the console, vending"
	}
}

// Name is the host that has this role.
func (e Endpoint) Name(r Role) string { return prefixes[r] + e.Host }

// Names lists every name that clients derive from the endpoint, and the endpoint
// itself at last. Below an address there are no names that could be looked up;
// they are listed all the same, since the Go SDK wants cache.ADDRESS in the
// certificate.
func (e Endpoint) Names() []Name {
	names := make([]Name, len(prefixes))
	for i := range prefixes {
		names[i] = Name{e.Name(Role(i)), Role(i)}
	}
	return names
}
