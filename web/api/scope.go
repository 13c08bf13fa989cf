package api

import "strconv"

// scope says which credential an operation asks for. The zero value lets
// nobody in, so a forgotten scope fails closed.
type scope uint8

// The scopes.
const (
	scopeDeny     scope = iota // nobody; registering it is an error
	scopePublic                // anybody; credentials are not even looked at
	scopeUser                  // a valid token or API key
	scopeAdmin                 // an administrator; a key needs its admin flag too
	scopeOptional              // anybody; a credential that is shown must be good, and counts
	scopeWelcome               // anybody; a credential counts when it is good, and is ignored when it is not
)

// String names the scope for the OpenAPI document and messages.
func (s scope) String() string {
	switch s {
	case scopeDeny:
		return "deny"
	case scopePublic:
		return "public"
	case scopeUser:
		return "user"
	case scopeAdmin:
		return "admin"
	case scopeOptional:
		return "optional"
	case scopeWelcome:
		return "welcome"
	default:
		return "scope(" + strconv.Itoa(int(s)) + ")"
	}
}
