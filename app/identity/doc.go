// Package identity is the service for accounts, logins, tokens and API keys:
// who a caller is, and how he proves it (contract 01 §2, §3, §5).
//
// # Credentials
//
// A credential is a token (HS256, 24 hours) or an API key. Both are resolved
// to an app.Actor on every request by reading the account through the cache's
// generation guard, so a suspension, a logout or a lost administrator right
// takes effect on the next request. A key acts as its owner; it carries the
// owner's administrator right only when its own admin flag is set as well.
//
// # Passwords
//
// bcrypt runs on the pool that New is given, never inside a transaction. A
// login for an unknown user pays one comparison too. After a successful
// comparison the verified-login cache remembers, for a few minutes, a keyed
// hash of account, stored hash and password; a hit skips bcrypt. It is only
// asked after the throttle has let the attempt through.
//
// # Throttle
//
// Failed logins are counted for the pair of account and client address, for
// the address, and for the account over all addresses; see throttle.go for
// what each one refuses and why the owner of an account cannot be locked out
// from an address at which he has logged in.
//
// # Limits
//
// Requests are limited for each key and, when they come with a token, for each
// account (Limits); with the tiers enforced, for all requests of an account
// together, those in flight included. The counters live in memory and start at
// nothing after a restart. What operations cost is package quota's.
//
// # Forgotten passwords
//
// Who asks for a reset is answered before anybody has looked whether there is
// such an account; a goroutine that Close ends and waits for looks, stores the
// hash of a token and hands the mail over (reset.go).
//
// # Key usage
//
// Uses of API keys, and how their requests were answered, are counted in memory
// and written in batches by one goroutine that Close ends and waits for. A crash
// loses those of the last few seconds; nothing but statistics depends on them.
package identity
