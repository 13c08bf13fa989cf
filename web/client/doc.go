// Package client is the HTTP client of the commands that talk to a running
// server: import and loadtest. It knows how to reach a server, carry a
// credential, wait when the server says it is busy, and turn an error answer
// into an error that shows the server's own text.
//
// It holds no types of the API: callers bring the few fields that they send
// and read.
package client
