// Package server puts a DeFarm Engines server together: it reads the
// configuration, opens the data directory, builds the services on top of each
// other, listens, and takes it all down again in order. It is also what the
// commands call that act on a data directory.
//
// Config, Load, Open and Server are a public promise: a Go program can embed
// the server with them. Everything is built in Open; nothing is kept in
// package variables, so one process may hold many servers.
//
// # Life cycle
//
// Open returns when the listener accepts: a client that is told the URL can
// send its request. Close stops accepting, lets the requests in flight finish
// within server.shutdown_timeout, then closes identity (which writes the usage
// of API keys it still holds), the password pool and, last, the database. Each
// goroutine that Open starts has ended when Close returns.
//
// # The data directory
//
//	defarm.db   the database, with its -wal, -shm and .lock files
//	jwt.key     the key that signs tokens, unless auth.jwt_secret is set
//	demo        marks a directory that --demo made
//
// It has mode 0700, its secrets 0600; Open refuses others, and closes an empty
// directory to them. The demo marker is irreversible on purpose: a directory
// with well-known passwords must not become a production server by leaving a
// flag out, and a production server must not be given well-known passwords by
// adding one. Both are refused.
package server
