package api

import (
	"context"
	"net/netip"
	"time"

	"github.com/google/uuid"

	"github.com/defarm-repo/defarm/app"
)

// request is what the edge knows about one request. The outermost middleware
// makes it, the inner layers fill it in, the access log and the metrics read
// it when the answer is out. It belongs to the goroutine that serves the
// request.
type request struct {
	id      string
	start   time.Time
	address netip.Addr // real client, see clientAddress; invalid when unknown
	agent   string     // User-Agent
	// connection ends when the client hangs up. It is the context without
	// our own deadline, so that the two can be told apart.
	connection context.Context //nolint:containedctx // the request's own, dies with it

	route  string // pattern of the operation, "" when no operation matched
	actor  app.Actor
	leave  func()    // ends what the request counts as being in flight; nil before it does
	key    uuid.UUID // of the API key that let the request in, uuid.Nil without one
	code   string    // why the answer is an error, "" when it is not
	reason app.Reason
	cause  error // logged for 5xx, never sent
}

// requestKey is the one context key of this package.
type requestKey struct{}

// requestOf returns the record of the request that ctx belongs to. Outside a
// request (a test of one handler) it returns an empty record.
func requestOf(ctx context.Context) *request {
	if rec, ok := ctx.Value(requestKey{}).(*request); ok {
		return rec
	}
	return &request{connection: ctx}
}

// actor returns who sent the request: the identity that the credential proves.
// On public routes it is the zero Actor.
func actor(ctx context.Context) app.Actor { return requestOf(ctx).actor }

// hungUp reports whether the client has closed the connection.
func (rec *request) hungUp() bool { return rec.connection.Err() != nil }
