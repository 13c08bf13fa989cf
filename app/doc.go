// Package app holds the domain of DeFarm Engines: what an item, a circuit, an
// event or an account is, which rules they obey, which errors they raise, and
// the small interfaces through which the services ask for stored state.
//
// It imports nothing but the standard library and pure leaves (bytes in,
// bytes out). Databases, HTTP, configuration and the network live in the
// packages that import it; the arrows are checked by a test (imports_test.go).
//
// # One file per resource
//
// item.go holds the types and rules of items and the ports through which
// they are stored; the service that acts on them is app/items; the rows are
// db/item.go; the wire is web/api/item.go. Whoever knows the resource's name
// can open every file blind.
//
// # Time
//
// Every instant is UTC. It is stored as nanoseconds since 1970; the wire
// formats of the contract show whole seconds for items, circuits and events,
// and hashes cover whole seconds only (see Event).
package app
