package app

import (
	"time"

	"github.com/google/uuid"
)

// APIKeyRequests is what one API key did in one hour, as far as method,
// endpoint, status, address and agent agree.
type APIKeyRequests struct {
	KeyID    uuid.UUID
	Hour     int64 // hours since 1970, UTC
	Method   string
	Endpoint string // the route's pattern, "" when no route matched
	Status   int
	Address  string
	Agent    string
	Requests int64
	Duration time.Duration // of all requests together
	LastAt   time.Time
}

// APIKeyStatistics sums up a key's requests.
type APIKeyStatistics struct {
	Requests int64
	Errors   int64 // of these, answered with a status of 400 or more
	Duration time.Duration
	LastAt   time.Time // zero: none
	Days     []APIKeyDay
}

// APIKeyDay is one day of UTC with at least one request.
type APIKeyDay struct {
	Date     string // 2006-01-02
	Requests int64
	Errors   int64
}
