package api

// option describes one operation beyond its method, path and scope.
type option func(*route)

// summary is the operation's one-line title. Every operation must have one.
func summary(s string) option { return func(rt *route) { rt.summary = s } }

// describe is the operation's longer text, in Markdown.
func describe(s string) option { return func(rt *route) { rt.description = s } }

// tag puts the operation under headings of the documentation.
func tag(names ...string) option {
	return func(rt *route) { rt.tags = append(rt.tags, names...) }
}

// maxBody raises or lowers the body limit, in bytes. The default is 2 MiB.
func maxBody(n int64) option { return func(rt *route) { rt.maxBody = n } }

// tokenOnly refuses API keys: where credentials are managed, a key does not
// count as a credential (design §2.14).
func tokenOnly() option { return func(rt *route) { rt.tokenOnly = true } }

// optionalBody reads a missing body, an empty one and null as {}, whatever
// their content type.
func optionalBody() option { return func(rt *route) { rt.optionalBody = true } }

// busyText is the family's text of a 503 (contract 01 §5.10).
func busyText(s string) option { return func(rt *route) { rt.busyText = s } }

// unauthText is the family's text of the 401 for a missing credential.
func unauthText(s string) option { return func(rt *route) { rt.unauthText = s } }

// adminText is the family's text of the 403 for a caller who is no
// administrator.
func adminText(s string) option { return func(rt *route) { rt.adminText = s } }

// unmetered keeps the operation free of charge where requests cost credits:
// whoever has none left can still see why, and manage his credentials.
func unmetered() option { return func(rt *route) { rt.unmetered = true } }

// hidden leaves the operation out of the OpenAPI document.
func hidden() option { return func(rt *route) { rt.hidden = true } }

// successStatus is the status of a success; 200 with a body and 204 without are the
// defaults.
func successStatus(code int) option { return func(rt *route) { rt.status = code } }

// together bundles the options that a family of operations shares.
func together(opts ...option) option {
	return func(rt *route) {
		for _, o := range opts {
			o(rt)
		}
	}
}
